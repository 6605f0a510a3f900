package dev.tenon.internal;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Loads libtenon and libtenon_java. */
final class Library {
  /** In the jar: the folder of this platform's libraries. The first two are there always, the modules where they were built. */
  private static final String FOLDER = "/dev/tenon/native/" + platform() + "/";
  private static final String LIBRARY = "libtenon.so.0";
  private static final String RAW = "libtenon_java.so";
  private static final String[] MODULES = {"libtenon_onednn.so", "libtenon_cuda.so"};

  private Library() {}

  /** From the folder that the property tenon.library.path names, else from the jar, else from java.library.path. */
  static void load() {
    String folder = System.getProperty("tenon.library.path");
    if (folder != null) {
      System.load(Path.of(folder).toAbsolutePath().resolve(RAW).toString());
    } else if (Library.class.getResource(FOLDER + RAW) != null) {
      extract();
    } else {
      System.loadLibrary("tenon_java");
    }
  }

  private static String platform() {
    String machine = System.getProperty("os.arch");
    return System.getProperty("os.name").toLowerCase() + "-" + (machine.equals("amd64") ? "x86_64" : machine);
  }

  /** Into a folder of this process's own, which goes when it ends. libtenon looks for its modules beside itself. */
  private static void extract() {
    try {
      Path folder = Files.createTempDirectory("tenon");
      folder.toFile().deleteOnExit();
      for (String module : MODULES) {
        copy(module, folder);
      }
      System.load(copy(LIBRARY, folder).toString());
      System.load(copy(RAW, folder).toString());
    } catch (IOException exception) {
      throw new UncheckedIOException("the libraries in the jar could not be written to " + System.getProperty("java.io.tmpdir"),
          exception);
    }
  }

  private static Path copy(String name, Path folder) throws IOException {
    Path file = folder.resolve(name);
    try (InputStream from = Library.class.getResourceAsStream(FOLDER + name)) {
      if (from != null) {
        Files.copy(from, file);
        file.toFile().deleteOnExit();
      }
    }
    return file;
  }
}
