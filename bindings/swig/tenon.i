// The raw layers of Python, Java and C#: every C function under its own name, and nothing else. This file is shared; each
// language says in a file of its own how a kind of parameter crosses, and grammar.i, which bindings/generate writes from
// capi/api.json, says of which kind each parameter is. So a new C function needs no edit here.
//
// The kinds, named as if they were types and parameters:
//
//   TN_HANDLE                                     a handle, NULL where that is allowed
//   TN_ERROR                                      an error that a function returns
//   const char *TN_TEXT                           terminated UTF-8
//   (const void *TN_BYTES, size_t TN_SIZE)        bytes that are read during the call
//   (const int64_t *TN_ARRAY, size_t TN_SIZE)     numbers that are read during the call
//   (char *TN_OUT_TEXT, size_t TN_SIZE)           room for a text
//   (int64_t *TN_OUT_ARRAY, size_t TN_SIZE)       room for numbers
//   T *TN_OUT                                     a number, handle or address that is given back
//   TN_HANDLE *TN_OUT_WANTED                      likewise, and it costs something: NULL when it is not wanted
//   void *                                        an address that the library keeps or passes on
//   void (*)(void *)                              the address of a C function
//   const tn_x_callbacks *                        a table of callbacks
%module raw

%{
#include "tenon/tenon.h"
%}

#if defined(SWIGPYTHON)
%include "python.i"
#elif defined(SWIGJAVA)
%include "java.i"
#elif defined(SWIGCSHARP)
%include "csharp.i"
#endif

// SWIG reads no system headers; these are all that the interface uses, where long has 64 bits.
typedef int int32_t;
typedef long int64_t;
typedef unsigned int uint32_t;
typedef unsigned long uint64_t;

%include "grammar.i"
