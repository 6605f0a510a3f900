package dev.tenon;

import java.util.List;

/**
 * A layer that an engine runs.
 *
 * @param name the layer's name
 * @param kernel what computes it
 * @param origins the nodes of the ONNX model that it computes, wholly or in part; empty for a change of format
 */
public record LayerInfo(String name, String kernel, List<String> origins) {}
