package dev.tenon;

import java.util.List;

/**
 * The time that a layer took.
 *
 * @param index the layer's number in the context's profile
 * @param name the layer's name
 * @param kernel what computed it
 * @param origins the nodes of the ONNX model that it computes, wholly or in part
 * @param microseconds the time
 */
public record LayerTime(long index, String name, String kernel, List<String> origins, double microseconds) {}
