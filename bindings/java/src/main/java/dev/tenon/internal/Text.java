package dev.tenon.internal;

import java.nio.charset.StandardCharsets;

/** Text as C has it: terminated UTF-8. */
public final class Text {
  private Text() {}

  static byte[] terminated(String text) {
    if (text == null) {
      return null;
    }
    if (text.indexOf('\0') >= 0) {
      throw new IllegalArgumentException("embedded null character");
    }
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return java.util.Arrays.copyOf(bytes, bytes.length + 1);
  }

  static String of(byte[] bytes) {
    return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
  }
}
