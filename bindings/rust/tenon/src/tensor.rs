//! Tensors: elements in row-major order, with their shape.
use crate::error::{Error, Result};
use crate::types::{count_of, DataType, Element};
use std::fmt;
use std::mem::{align_of, size_of};

/// What can be given to a network: elements of one type in row-major order, without gaps.
pub trait AsTensor {
    /// Type of the elements.
    fn data_type(&self) -> DataType;
    /// The shape.
    fn dims(&self) -> Vec<i64>;
    /// The elements' bytes. Fails if they do not lie in row-major order without gaps.
    fn bytes(&self) -> Result<&[u8]>;
}

impl<A: AsTensor + ?Sized> AsTensor for &A {
    fn data_type(&self) -> DataType {
        (**self).data_type()
    }
    fn dims(&self) -> Vec<i64> {
        (**self).dims()
    }
    fn bytes(&self) -> Result<&[u8]> {
        (**self).bytes()
    }
}

pub(crate) fn bytes_of<T: Element>(data: &[T]) -> &[u8] {
    // No element has padding.
    unsafe { std::slice::from_raw_parts(data.as_ptr().cast(), std::mem::size_of_val(data)) }
}

fn check_count(dims: &[i64], len: usize) -> Result<()> {
    let count = count_of(dims)?;
    if count == len {
        return Ok(());
    }
    Err(Error::argument(format!("a tensor of shape {dims:?} has {count} elements, not {len}")))
}

/// Elements that the tensor owns.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<T> {
    dims: Vec<i64>,
    data: Vec<T>,
}

impl<T: Element> Tensor<T> {
    /// Fails unless `data` has as many elements as `dims` say.
    ///
    /// ```
    /// let x = tenon::Tensor::new(&[2, 2], vec![1.0f32, 2.0, 3.0, 4.0])?;
    /// assert_eq!(x.dims(), [2, 2]);
    /// assert!(tenon::Tensor::new(&[2, 3], vec![1.0f32]).is_err());
    /// # Ok::<(), tenon::Error>(())
    /// ```
    pub fn new(dims: &[i64], data: Vec<T>) -> Result<Tensor<T>> {
        check_count(dims, data.len())?;
        Ok(Tensor { dims: dims.to_vec(), data })
    }

    /// The shape.
    pub fn dims(&self) -> &[i64] {
        &self.dims
    }

    /// The elements.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// The elements, to be changed.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The elements alone.
    pub fn into_data(self) -> Vec<T> {
        self.data
    }

    /// The same elements, borrowed.
    pub fn view(&self) -> TensorView<'_, T> {
        TensorView { dims: self.dims.clone(), data: &self.data }
    }
}

impl<T: Element> AsTensor for Tensor<T> {
    fn data_type(&self) -> DataType {
        T::DATA_TYPE
    }
    fn dims(&self) -> Vec<i64> {
        self.dims.clone()
    }
    fn bytes(&self) -> Result<&[u8]> {
        Ok(bytes_of(&self.data))
    }
}

/// Elements that belong to someone else.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorView<'a, T> {
    dims: Vec<i64>,
    data: &'a [T],
}

impl<'a, T: Element> TensorView<'a, T> {
    /// Fails unless `data` has as many elements as `dims` say.
    pub fn new(dims: &[i64], data: &'a [T]) -> Result<TensorView<'a, T>> {
        check_count(dims, data.len())?;
        Ok(TensorView { dims: dims.to_vec(), data })
    }

    /// The shape.
    pub fn dims(&self) -> &[i64] {
        &self.dims
    }

    /// The elements.
    pub fn data(&self) -> &'a [T] {
        self.data
    }

    /// The same elements as an `ndarray` view.
    #[cfg(feature = "ndarray")]
    pub fn array(&self) -> ndarray::ArrayViewD<'a, T> {
        let dims: Vec<usize> = self.dims.iter().map(|&dim| dim as usize).collect();
        ndarray::ArrayViewD::from_shape(dims, self.data).expect("the shape was checked")
    }
}

impl<T: Element> AsTensor for TensorView<'_, T> {
    fn data_type(&self) -> DataType {
        T::DATA_TYPE
    }
    fn dims(&self) -> Vec<i64> {
        self.dims.clone()
    }
    fn bytes(&self) -> Result<&[u8]> {
        Ok(bytes_of(self.data))
    }
}

/// Arrays in standard layout: others fail.
#[cfg(feature = "ndarray")]
impl<S: ndarray::Data<Elem = T>, T: Element, D: ndarray::Dimension> AsTensor for ndarray::ArrayBase<S, D> {
    fn data_type(&self) -> DataType {
        T::DATA_TYPE
    }
    fn dims(&self) -> Vec<i64> {
        self.shape().iter().map(|&dim| dim as i64).collect()
    }
    fn bytes(&self) -> Result<&[u8]> {
        match self.as_slice() {
            Some(data) => Ok(bytes_of(data)),
            None => Err(Error::argument("the array is not in standard layout: give `array.as_standard_layout()`")),
        }
    }
}

#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Block([u8; 16]);

/// A tensor whose type is known only when the program runs; it owns its elements, aligned to 16 bytes.
#[derive(Clone)]
pub struct DynTensor {
    data_type: DataType,
    dims: Vec<i64>,
    blocks: Vec<Block>,
    size: usize,
}

impl DynTensor {
    /// Zeros. Fails for dims that are no shape, and for types whose elements have no size.
    pub fn zeros(data_type: DataType, dims: &[i64]) -> Result<DynTensor> {
        if data_type == DataType::String {
            return Err(Error::new(crate::ErrorCode::Unsupported, "string tensors are not supported in this layer".to_string()));
        }
        if data_type.size() == 0 {
            return Err(Error::argument(format!("elements of type {} have no size", data_type.name())));
        }
        let size = count_of(dims)?.checked_mul(data_type.size());
        let size = size.ok_or_else(|| Error::argument(format!("{dims:?} is too large a shape")))?;
        let mut blocks = Vec::new();
        let count = size / 16 + usize::from(size % 16 != 0);
        if blocks.try_reserve_exact(count).is_err() {
            return Err(Error::new(
                crate::ErrorCode::OutOfMemory,
                format!("a tensor needs {size} bytes: there is not so much memory"),
            ));
        }
        blocks.resize(count, Block([0; 16]));
        Ok(DynTensor { data_type, dims: dims.to_vec(), blocks, size })
    }

    /// A copy of a tensor.
    pub fn copy_of<A: AsTensor + ?Sized>(tensor: &A) -> Result<DynTensor> {
        let mut copy = DynTensor::zeros(tensor.data_type(), &tensor.dims())?;
        let bytes = tensor.bytes()?;
        if bytes.len() != copy.size {
            return Err(Error::argument(format!(
                "a tensor of shape {:?} has {} bytes, not {}",
                copy.dims,
                copy.size,
                bytes.len()
            )));
        }
        copy.bytes_mut().copy_from_slice(bytes);
        Ok(copy)
    }

    /// Type of the elements.
    pub fn data_type(&self) -> DataType {
        self.data_type
    }

    /// The shape.
    pub fn dims(&self) -> &[i64] {
        &self.dims
    }

    /// The elements' bytes.
    pub fn bytes(&self) -> &[u8] {
        unsafe { std::slice::from_raw_parts(self.blocks.as_ptr().cast(), self.size) }
    }

    /// The elements' bytes, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        unsafe { std::slice::from_raw_parts_mut(self.blocks.as_mut_ptr().cast(), self.size) }
    }

    /// The elements as a type. Fails unless it is theirs.
    pub fn view<T: Element>(&self) -> Result<TensorView<'_, T>> {
        if T::DATA_TYPE != self.data_type {
            return Err(Error::argument(format!("the elements are {}, not {}", self.data_type.name(), T::DATA_TYPE.name())));
        }
        if T::DATA_TYPE == DataType::Bool && self.bytes().iter().any(|&byte| byte > 1) {
            return Err(Error::argument("an element that should be a boolean is neither 0 nor 1"));
        }
        debug_assert!(align_of::<T>() <= 16);
        let data = unsafe { std::slice::from_raw_parts(self.blocks.as_ptr().cast::<T>(), self.size / size_of::<T>()) };
        TensorView::new(&self.dims, data)
    }
}

impl AsTensor for DynTensor {
    fn data_type(&self) -> DataType {
        self.data_type
    }
    fn dims(&self) -> Vec<i64> {
        self.dims.clone()
    }
    fn bytes(&self) -> Result<&[u8]> {
        Ok(DynTensor::bytes(self))
    }
}

impl fmt::Debug for DynTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DynTensor({} {:?})", self.data_type.name(), self.dims)
    }
}
