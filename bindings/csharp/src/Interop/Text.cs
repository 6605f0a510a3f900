using System;
using System.Text;

namespace Tenon.Interop {
  /// <summary>Text as C has it: terminated UTF-8.</summary>
  internal static unsafe class Text {
    internal static byte[] Terminated(string text) {
      if (text == null) return null;
      if (text.IndexOf('\0') >= 0) throw new ArgumentException("embedded null character");
      byte[] bytes = new byte[Encoding.UTF8.GetByteCount(text) + 1];
      Encoding.UTF8.GetBytes(text, 0, text.Length, bytes, 0);
      return bytes;
    }

    internal static string Of(byte* text, int size) {
      return text == null ? null : Encoding.UTF8.GetString(text, size);
    }

    internal static string Of(byte* text) {
      int size = 0;
      while (text != null && text[size] != 0) ++size;
      return Of(text, size);
    }

    internal static string Of(IntPtr text) {
      return Of((byte*)text);
    }
  }
}
