package dev.tenon.internal;

import java.nio.file.Path;

/** Loads libtenon and libtenon_java. */
final class Library {
  private Library() {}

  /** From the folder that the property tenon.library.path names, else from java.library.path. */
  static void load() {
    String folder = System.getProperty("tenon.library.path");
    if (folder == null) {
      System.loadLibrary("tenon_java");
    } else {
      System.load(Path.of(folder).toAbsolutePath().resolve(System.mapLibraryName("tenon_java")).toString());
    }
  }
}
