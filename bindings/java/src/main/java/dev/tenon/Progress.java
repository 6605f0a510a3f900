package dev.tenon;

/** Hears of a build's progress, and may end it. */
@FunctionalInterface
public interface Progress {
  /**
   * Called on the thread that builds. What it throws ends the build and comes out of it as itself; {@link
   * CancelledException} is there for that.
   *
   * @param phase what is being done
   * @param fraction how much of the whole build is done, in [0, 1]; it never falls
   */
  void update(String phase, double fraction) throws Exception;
}
