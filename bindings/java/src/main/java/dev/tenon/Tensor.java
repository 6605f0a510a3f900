package dev.tenon;

import dev.tenon.internal.Memory;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.ShortBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Elements of a type in a shape, row-major, in a direct buffer of native order: what crosses into the library without a copy.
 * The tensor refers to the memory of the buffer that it was made from. Type and shape are immutable; the elements are the
 * caller's to guard.
 */
public final class Tensor {
  private static final Map<Class<?>, List<DataType>> HOLDS = Map.of(
      FloatBuffer.class, List.of(DataType.FLOAT32), DoubleBuffer.class, List.of(DataType.FLOAT64),
      IntBuffer.class, List.of(DataType.INT32, DataType.UINT32), LongBuffer.class, List.of(DataType.INT64, DataType.UINT64),
      ShortBuffer.class, List.of(DataType.INT16, DataType.UINT16, DataType.FLOAT16, DataType.BFLOAT16));

  private final DataType dataType;
  private final long[] shape;
  private final ByteBuffer data;
  private final long address;

  private Tensor(DataType dataType, long[] shape, ByteBuffer data) {
    this.dataType = dataType;
    this.shape = shape;
    this.data = data;
    this.address = data.remaining() == 0 ? 0 : Memory.address(data);
  }

  /**
   * Over the memory of a direct buffer from position to limit. Nothing is copied.
   *
   * @param data in native order, aligned to the size of an element, of exactly the bytes that type and shape say
   * @throws IllegalArgumentException for a heap buffer, another order, another size, a type without a fixed size
   */
  public static Tensor wrap(DataType dataType, ByteBuffer data, long... shape) {
    requireDirect(NativeObject.needed(data, "data"), "the buffer of a tensor");
    requireOrder(data.order());
    long bytes = bytesOf(dataType, shape);
    if (data.remaining() != bytes) {
      throw new IllegalArgumentException("a tensor " + describe(dataType, shape) + " has " + bytes + " bytes; the buffer has "
          + data.remaining());
    }
    Tensor tensor = new Tensor(dataType, shape.clone(), data.slice().order(ByteOrder.nativeOrder()));
    if (tensor.address % dataType.size() != 0) {
      throw new IllegalArgumentException("the buffer of a tensor must be aligned to its elements of " + dataType.size() + " bytes");
    }
    return tensor;
  }

  /** New memory of zeros, aligned to 64 bytes. */
  public static Tensor allocate(DataType dataType, long... shape) {
    int bytes = Math.toIntExact(bytesOf(dataType, shape));
    ByteBuffer data = ByteBuffer.allocateDirect(Math.addExact(bytes, 128)).alignedSlice(64).order(ByteOrder.nativeOrder());
    return new Tensor(dataType, shape.clone(), data.slice(0, bytes).order(ByteOrder.nativeOrder()));
  }

  /** A FLOAT32 tensor with a copy of the values. */
  public static Tensor of(float[] values, long... shape) {
    Tensor tensor = allocate(DataType.FLOAT32, expect(NativeObject.needed(values, "values").length, shape));
    tensor.floats().put(values);
    return tensor;
  }

  /** A FLOAT64 tensor with a copy of the values. */
  public static Tensor of(double[] values, long... shape) {
    Tensor tensor = allocate(DataType.FLOAT64, expect(NativeObject.needed(values, "values").length, shape));
    tensor.doubles().put(values);
    return tensor;
  }

  /** An INT32 tensor with a copy of the values. */
  public static Tensor of(int[] values, long... shape) {
    Tensor tensor = allocate(DataType.INT32, expect(NativeObject.needed(values, "values").length, shape));
    tensor.ints().put(values);
    return tensor;
  }

  /** An INT64 tensor with a copy of the values. */
  public static Tensor of(long[] values, long... shape) {
    Tensor tensor = allocate(DataType.INT64, expect(NativeObject.needed(values, "values").length, shape));
    tensor.longs().put(values);
    return tensor;
  }

  /** An INT8 tensor with a copy of the values. */
  public static Tensor of(byte[] values, long... shape) {
    Tensor tensor = allocate(DataType.INT8, expect(NativeObject.needed(values, "values").length, shape));
    tensor.data().put(values);
    return tensor;
  }

  /** A BOOL tensor with a copy of the values. */
  public static Tensor of(boolean[] values, long... shape) {
    Tensor tensor = allocate(DataType.BOOL, expect(NativeObject.needed(values, "values").length, shape));
    for (int i = 0; i < values.length; ++i) {
      tensor.data.put(i, (byte) (values[i] ? 1 : 0));
    }
    return tensor;
  }

  /** Type of the elements. */
  public DataType dataType() {
    return dataType;
  }

  /** A copy of the dims. */
  public long[] shape() {
    return shape.clone();
  }

  /** Number of elements. */
  public long size() {
    return data.capacity() / dataType.size();
  }

  /** The memory: a view with a position of its own. */
  public ByteBuffer data() {
    return data.duplicate().order(ByteOrder.nativeOrder());
  }

  /** The memory of a FLOAT32 tensor. */
  public FloatBuffer floats() {
    return as(FloatBuffer.class, data.asFloatBuffer());
  }

  /** The memory of a FLOAT64 tensor. */
  public DoubleBuffer doubles() {
    return as(DoubleBuffer.class, data.asDoubleBuffer());
  }

  /** The memory of an INT32 or UINT32 tensor. */
  public IntBuffer ints() {
    return as(IntBuffer.class, data.asIntBuffer());
  }

  /** The memory of an INT64 or UINT64 tensor. */
  public LongBuffer longs() {
    return as(LongBuffer.class, data.asLongBuffer());
  }

  /** The memory of an INT16 or UINT16 tensor, or the bits of a FLOAT16 or BFLOAT16 one. */
  public ShortBuffer shorts() {
    return as(ShortBuffer.class, data.asShortBuffer());
  }

  private <B extends Buffer> B as(Class<B> kind, B view) {
    if (!HOLDS.get(kind).contains(dataType)) {
      throw new IllegalArgumentException("a tensor of type " + dataType.shortName() + " is no " + kind.getSimpleName());
    }
    return view;
  }

  /** A copy of the elements of a FLOAT32 tensor. */
  public float[] toFloatArray() {
    FloatBuffer from = floats();
    float[] values = new float[from.remaining()];
    from.get(values);
    return values;
  }

  /** A copy of the elements of an INT32 tensor. */
  public int[] toIntArray() {
    IntBuffer from = ints();
    int[] values = new int[from.remaining()];
    from.get(values);
    return values;
  }

  /** A copy of the elements of an INT64 tensor. */
  public long[] toLongArray() {
    LongBuffer from = longs();
    long[] values = new long[from.remaining()];
    from.get(values);
    return values;
  }

  @Override
  public String toString() {
    return "Tensor " + describe(dataType, shape);
  }

  // --- for the other classes -------------------------------------------------------------------------------------------

  /** Where the elements lie; 0 if there are none. */
  long address() {
    return address;
  }

  long bytes() {
    return data.capacity();
  }

  boolean isReadOnly() {
    return data.isReadOnly();
  }

  boolean hasShape(long[] dims) {
    return Arrays.equals(shape, dims);
  }

  static String describe(DataType dataType, long[] shape) {
    return dataType.shortName() + Arrays.toString(shape);
  }

  static List<Long> list(long[] dims) {
    return Arrays.stream(dims).boxed().toList();
  }

  static void requireDirect(ByteBuffer data, String what) {
    if (!data.isDirect()) {
      throw new IllegalArgumentException(what + " must be direct: ByteBuffer.allocateDirect()");
    }
  }

  private static void requireOrder(ByteOrder order) {
    if (order != ByteOrder.nativeOrder()) {
      throw new IllegalArgumentException("the buffer of a tensor must have the native order: order(ByteOrder.nativeOrder())");
    }
  }

  private static long bytesOf(DataType dataType, long[] shape) {
    int size = NativeObject.needed(dataType, "dataType").size();
    if (dataType == DataType.STRING) {
      throw new UnsupportedException("string tensors are not supported in this layer");
    }
    if (size == 0) {
      throw new IllegalArgumentException("elements of type " + dataType + " have no fixed size");
    }
    return Math.multiplyExact(elements(shape), (long) size);
  }

  private static long elements(long[] shape) {
    long elements = 1;
    for (long dim : NativeObject.needed(shape, "shape")) {
      if (dim < 0) {
        throw new IllegalArgumentException("dims must not be negative: " + Arrays.toString(shape));
      }
      elements = Math.multiplyExact(elements, dim);
    }
    return elements;
  }

  private static long[] expect(int count, long[] shape) {
    if (elements(shape) != count) {
      throw new IllegalArgumentException("a tensor " + Arrays.toString(shape) + " has " + elements(shape) + " elements, not " + count);
    }
    return shape;
  }
}
