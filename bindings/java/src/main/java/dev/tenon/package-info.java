/**
 * Tenon: an ONNX model becomes a plan, a plan an engine, and an engine runs.
 *
 * <p>{@link dev.tenon.Tenon#build} and {@link dev.tenon.Engine#run} are the short way; {@link dev.tenon.Builder}, {@link
 * dev.tenon.Runtime} and {@link dev.tenon.ExecutionContext} the long one. Every object is {@link AutoCloseable}; failures are
 * {@link dev.tenon.TenonException}s.
 */
package dev.tenon;
