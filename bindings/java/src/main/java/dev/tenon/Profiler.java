package dev.tenon;

/** Hears of the time of each layer of a run. */
@FunctionalInterface
public interface Profiler {
  /**
   * Called after each layer, in order, on the thread that runs the network, which it holds up. It must not call the context, or
   * another one of its engine. What it throws comes out of the run, once that has ended.
   */
  void layer(LayerTime time) throws Exception;
}
