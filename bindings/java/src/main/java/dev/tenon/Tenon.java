package dev.tenon;

import dev.tenon.internal.Raw;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.LongStream;

/** The shortest ways, and what concerns the library as a whole. */
public final class Tenon {
  private Tenon() {}

  /** A model becomes an engine, with the defaults of {@link BuilderConfig}: every dynamic dim becomes 1. */
  public static Engine build(Path model) {
    try (BuilderConfig config = new BuilderConfig()) {
      return build(model, config);
    }
  }

  /** A model becomes an engine. */
  public static Engine build(Path model, BuilderConfig config) {
    NativeObject.needed(model, "model");
    NativeObject.needed(config, "config");
    try (Builder builder = new Builder(); Network network = Network.fromOnnxFile(builder, model);
        Blob plan = builder.build(network, config)) {
      return new Engine(plan);
    }
  }

  /** A plan that {@link Engine#save} wrote becomes an engine. */
  public static Engine load(Path plan) {
    try (Blob bytes = Blob.fromFile(NativeObject.needed(plan, "plan"))) {
      return new Engine(bytes);
    }
  }

  /** Names of the devices that can be used. */
  public static List<String> devices() {
    return LongStream.range(0, Raw.tn_device_count())
        .mapToObj(index -> NativeObject.textOf((buffer, size) -> Raw.tn_device_at(index, buffer, size)))
        .toList();
  }

  /** Version of the library that is loaded: 10000 × major + 100 × minor + patch. */
  public static int version() {
    return Raw.tn_version();
  }

  /** Version of the binary interface of the library that is loaded. */
  public static int abiVersion() {
    return Raw.tn_abi_version();
  }

  /** One line about how the library was built: version, compiler, modules. */
  public static String buildInfo() {
    return Raw.tn_build_info();
  }

  /** For tests: number of objects of a type ("engine", "blob"), "internal", or "all", that exist in this process. */
  public static long liveCount(String type) {
    NativeObject.needed(type, "type");
    return NativeObject.made(out -> Raw.tn_debug_get_live_count(type, out));
  }
}
