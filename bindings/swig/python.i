// How each kind of parameter crosses into Python. Handles and addresses are ints, errors are ints (0 is success); what a
// function gives back follows its result in a list: `error, blob = tn_blob_create(b"...")`. Every call releases the GIL.
//
//   TN_TEXT          str, or None for NULL
//   TN_BYTES         an object with a buffer, or None for NULL
//   TN_ARRAY         a buffer of elements of the right size (array.array("q", dims)), or None
//   TN_OUT_TEXT      a writable buffer that receives the terminated text, or None
//   TN_OUT_ARRAY     a writable buffer of elements of the right size, or None
//   TN_OUT           not passed; given back
//   TN_OUT_WANTED    a bool in its place says whether it is wanted; given back, 0 if it is not
//   callbacks        an object whose methods have the callbacks' names, or None. It is kept until the table is released, when
//                    its method `release`, if it has one, is called
%begin %{
#define PY_SSIZE_T_CLEAN
%}
%feature("nothreadblock");

%{
#include "support.h"
#include "trampolines_python.h"
%}

%init %{
  {
    PyObject *memory = PyType_FromSpec(&tenon_python_memory_spec);
    if (!memory || PyModule_AddObject(m, "Memory", memory) != 0 || !tenon_python_watch_exit()) return -1;
  }
%}

%typemap(in) TN_HANDLE, void *, void (*)(void *), SWIGTYPE * {
  void *address;
  if (!tenon_python_address($input, &address)) SWIG_fail;
  $1 = ($1_ltype)address;
}
%typemap(in) TN_ERROR = TN_HANDLE;
%typemap(out) TN_ERROR, TN_HANDLE, void * "$result = PyLong_FromVoidPtr((void *)$1);"

%typemap(in) const char *TN_TEXT {
  Py_ssize_t size = 0;
  if ($input == Py_None) {
    $1 = NULL;
  } else {
    $1 = ($1_ltype)PyUnicode_AsUTF8AndSize($input, &size);
    if (!$1) SWIG_fail;
    if (strlen($1) != (size_t)size) {
      PyErr_SetString(PyExc_ValueError, "embedded null character");
      SWIG_fail;
    }
  }
}
%typemap(freearg) const char *TN_TEXT ""
%typemap(out) const char * "$result = $1 ? PyUnicode_FromString($1) : (Py_INCREF(Py_None), Py_None);"

%define TN_VIEW(KIND, WRITABLE, ITEMSIZE, BYTES)
%typemap(in) (KIND, size_t TN_SIZE) (Py_buffer view, int viewed = 0) {
  $1 = NULL;
  $2 = 0;
  if ($input != Py_None) {
    if (!tenon_python_view($input, &view, WRITABLE, ITEMSIZE)) SWIG_fail;
    viewed = 1;
    $1 = ($1_ltype)view.buf;
    $2 = (size_t)view.len / BYTES;
  }
}
%typemap(freearg) (KIND, size_t TN_SIZE) "if (viewed$argnum) PyBuffer_Release(&view$argnum);"
%enddef
TN_VIEW(const void *TN_BYTES, 0, 0, 1)
TN_VIEW(char *TN_OUT_TEXT, 1, 0, 1)

%define TN_NUMBER(TYPE, FROM)
%typemap(in, numinputs=0) TYPE *TN_OUT (TYPE value = 0) "$1 = &value;"
%typemap(argout) TYPE *TN_OUT "$result = SWIG_Python_AppendOutput($result, FROM(value$argnum), $isvoid);"
TN_VIEW(const TYPE *TN_ARRAY, 0, sizeof(TYPE), sizeof(TYPE))
TN_VIEW(TYPE *TN_OUT_ARRAY, 1, sizeof(TYPE), sizeof(TYPE))
%enddef
TN_NUMBER(int32_t, PyLong_FromLong)
TN_NUMBER(int64_t, PyLong_FromLongLong)
TN_NUMBER(uint32_t, PyLong_FromUnsignedLong)
TN_NUMBER(uint64_t, PyLong_FromUnsignedLongLong)
TN_NUMBER(size_t, PyLong_FromSize_t)
TN_NUMBER(double, PyFloat_FromDouble)
TN_NUMBER(float, PyFloat_FromDouble)

%typemap(in, numinputs=0) TN_HANDLE *TN_OUT ($*1_ltype value = 0), const void **TN_OUT ($*1_ltype value = 0) "$1 = &value;"
%typemap(argout) TN_HANDLE *TN_OUT, const void **TN_OUT
  "$result = SWIG_Python_AppendOutput($result, PyLong_FromVoidPtr((void *)value$argnum), $isvoid);"

%typemap(in) TN_HANDLE *TN_OUT_WANTED ($*1_ltype value = 0) {
  int wanted = PyObject_IsTrue($input);
  if (wanted < 0) SWIG_fail;
  $1 = wanted ? &value : NULL;
}
%typemap(argout) TN_HANDLE *TN_OUT_WANTED = TN_HANDLE *TN_OUT;

// The object is handed over only when every argument is good, since the library then releases it in any case.
%define TN_CALLBACKS(STRUCT, CAMEL, NOUN)
%typemap(in) const STRUCT * (STRUCT table) {
  $1 = NULL;
  if ($input != Py_None) {
    tenon_python_##NOUN##_callbacks($input, &table);
    $1 = &table;
  }
}
%typemap(check) const STRUCT * "if ($1) Py_INCREF((PyObject *)$1->user_data);"
%enddef

// The functions that are not C's.
%typemap(in) PyObject * "$1 = $input;"
%typemap(out) PyObject * "$result = $1;"
%feature("nothreadallow") tenon_python_buffer_address;
%feature("nothreadallow") tenon_python_keep;
%feature("nothreadallow") tenon_python_payload;
%rename(address) tenon_python_buffer_address;
%rename(keep) tenon_python_keep;
%rename(payload) tenon_python_payload;
PyObject *tenon_python_buffer_address(PyObject *buffer, int writable = 0);
PyObject *tenon_python_keep(PyObject *object);
PyObject *tenon_python_payload(void *address);
