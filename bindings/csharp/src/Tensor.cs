using System;
using System.Buffers;
using System.Collections.Generic;
using System.Linq;

namespace Tenon {
  /// <summary>Elements of a type in a shape, row-major: what crosses into the library without a copy. Type and shape are immutable; the
  /// elements are the caller's to guard.</summary>
  public abstract class Tensor {
    private readonly long[] shape;

    internal Tensor(DataType dataType, long[] shape, long length) {
      DataType = dataType;
      this.shape = (long[])NativeObject.Needed(shape, nameof(shape)).Clone();
      long elements = 1;
      foreach (long dim in shape) {
        if (dim < 0) throw new ArgumentException("dims must not be negative: " + this);
        elements = checked(elements * dim);
      }
      if (elements != length) throw new ArgumentException(this + " has " + elements + " elements, not " + length);
    }

    /// <summary>Type of the elements.</summary>
    public DataType DataType { get; }

    /// <summary>The dims.</summary>
    public IReadOnlyList<long> Shape => shape;

    internal long[] Dims => shape;

    /// <summary>The elements as another type sees them. Throws InvalidCastException if the tensor is not of that type.</summary>
    public Tensor<T> As<T>() where T : struct {
      return this as Tensor<T> ?? throw new InvalidCastException(this + " has no elements of type " + typeof(T).Name);
    }

    internal abstract MemoryHandle Pin();
    internal abstract long Bytes { get; }

    /// <summary>"f32[1, 4]".</summary>
    public override string ToString() {
      return Library.NameOf(DataType) + "[" + string.Join(", ", shape) + "]";
    }

    internal static Tensor Allocate(DataType type, long[] shape) {
      int count = checked((int)shape.Aggregate(1L, (product, dim) => checked(product * dim)));
      switch (type) {
        case DataType.Float32: return new Tensor<float>(type, new float[count], shape);
        case DataType.Float64: return new Tensor<double>(type, new double[count], shape);
        case DataType.Int8: return new Tensor<sbyte>(type, new sbyte[count], shape);
        case DataType.Int16: return new Tensor<short>(type, new short[count], shape);
        case DataType.Int32: return new Tensor<int>(type, new int[count], shape);
        case DataType.Int64: return new Tensor<long>(type, new long[count], shape);
        case DataType.UInt32: return new Tensor<uint>(type, new uint[count], shape);
        case DataType.UInt64: return new Tensor<ulong>(type, new ulong[count], shape);
        case DataType.Bool: return new Tensor<bool>(type, new bool[count], shape);
        case DataType.UInt16:
        case DataType.Float16:
        case DataType.BFloat16: return new Tensor<ushort>(type, new ushort[count], shape);
      }
      if (Library.SizeOf(type) == 1) return new Tensor<byte>(type, new byte[count], shape);
      if (type == DataType.String) throw new UnsupportedException("string tensors are not supported in this layer");
      throw new UnsupportedException("no tensor holds elements of the type " + type);
    }
  }

  /// <summary>A tensor over memory of elements of a type. Types of 16 bits that C# lacks, Float16 and BFloat16, are ushort, those of 8
  /// bits and less byte.</summary>
  public sealed class Tensor<T> : Tensor where T : struct {
    private static readonly Dictionary<Type, DataType[]> Holds = new Dictionary<Type, DataType[]> {
      { typeof(float), new[] { DataType.Float32 } }, { typeof(double), new[] { DataType.Float64 } },
      { typeof(sbyte), new[] { DataType.Int8 } }, { typeof(short), new[] { DataType.Int16 } },
      { typeof(int), new[] { DataType.Int32 } }, { typeof(long), new[] { DataType.Int64 } },
      { typeof(uint), new[] { DataType.UInt32 } }, { typeof(ulong), new[] { DataType.UInt64 } }, { typeof(bool), new[] { DataType.Bool } },
      { typeof(ushort), new[] { DataType.UInt16, DataType.Float16, DataType.BFloat16 } },
      { typeof(byte), new[] { DataType.UInt8, DataType.Float8E4M3FN, DataType.Float8E4M3FNUZ, DataType.Float8E5M2,
                              DataType.Float8E5M2FNUZ, DataType.UInt4, DataType.Int4, DataType.Float4E2M1,
                              DataType.Float8E8M0, DataType.UInt2, DataType.Int2 } },
    };

    /// <summary>Over memory, such as an array; nothing is copied. Throws ArgumentException if it has not exactly the elements that the
    /// shape says.</summary>
    public Tensor(Memory<T> memory, params long[] shape) : this(DataTypeOf(), memory, shape) {}

    /// <summary>With a type that C# lacks.</summary>
    public Tensor(DataType dataType, Memory<T> memory, params long[] shape) : base(dataType, shape, memory.Length) {
      DataTypeOf();
      if (!Holds[typeof(T)].Contains(dataType))
        throw new ArgumentException("elements of type " + typeof(T).Name + " are no " + dataType);
      Memory = memory;
    }

    private static DataType DataTypeOf() {
      return Holds.TryGetValue(typeof(T), out DataType[] types) ? types[0]
          : throw new ArgumentException("there is no tensor of elements of type " + typeof(T).Name);
    }

    /// <summary>The elements.</summary>
    public Memory<T> Memory { get; }

    /// <summary>The elements.</summary>
    public Span<T> Span => Memory.Span;

    /// <summary>A copy of the elements.</summary>
    public T[] ToArray() {
      return Memory.ToArray();
    }

    internal override MemoryHandle Pin() {
      return Memory.Pin();
    }

    internal override long Bytes => (long)Memory.Length * Library.SizeOf(DataType);
  }
}
