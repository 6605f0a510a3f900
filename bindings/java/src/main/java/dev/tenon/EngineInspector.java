package dev.tenon;

import dev.tenon.internal.Raw;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** Describes a plan: target, inputs and outputs, profiles with their layers, weights. Immutable; any thread. */
public final class EngineInspector extends NativeObject {
  /** Of an engine's plan; it keeps the engine alive. */
  public EngineInspector(Engine engine) {
    this(madeOf(engine, "engine", Raw::tn_engine_inspector_create));
  }

  private EngineInspector(long handle) {
    super(handle, Raw::tn_engine_inspector_destroy);
  }

  /** Of a plan that is not loaded, which may be for another machine. */
  public static EngineInspector fromPlan(Blob plan) {
    ByteBuffer bytes = needed(plan, "plan").buffer();
    return new EngineInspector(made(out -> Raw.tn_engine_inspector_create_from_plan(bytes, out)));
  }

  /** As text, one line per fact in a fixed order, or the same as a JSON object. */
  public String information(DocumentFormat format) {
    int number = needed(format, "format").number();
    try (Blob blob = new Blob(longOf((handle, out) -> Raw.tn_engine_inspector_get_information(handle, number, out)))) {
      return blob.text();
    }
  }

  /** A profile as an ONNX model to look at; report: of the build that made the plan, or "". */
  public Blob toOnnx(int profile, String report) {
    ByteBuffer text = Blob.direct(ByteBuffer.wrap(needed(report, "report").getBytes(StandardCharsets.UTF_8)), "report");
    return new Blob(longOf((handle, out) -> Raw.tn_engine_inspector_serialize_to_onnx(handle, profile, text, out)));
  }
}
