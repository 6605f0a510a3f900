// How each kind of parameter crosses into C#: as C has it, in an unsafe class. Handles, errors (zero is success) and addresses
// are IntPtr, sizes are UIntPtr, arrays and what comes out are pointers, null where C allows NULL.
//
//   TN_TEXT          string, or null for NULL; crosses as terminated UTF-8, never by the code page
//   callbacks        a pointer to a structure of Callbacks.cs, whose Of() makes one from an object
//
// SWIG's own exceptions and strings are switched off (SWIG_CSHARP_NO_…): nothing here throws from C.
%{
#include <stdint.h>
%}
%include "enumsimple.swg"
%csconst(1);
%pragma(csharp) moduleclassmodifiers="/// <summary>Tenon's C functions, one to one. Written by SWIG.</summary>\n  internal unsafe class"
%pragma(csharp) imclassclassmodifiers="internal unsafe class"
%pragma(csharp) imclassimports="using Tenon.Interop;"

%define TN_PLAIN(PATTERN, C, CSHARP)
%typemap(ctype) PATTERN #C
%typemap(imtype) PATTERN #CSHARP
%typemap(cstype) PATTERN #CSHARP
%typemap(csin) PATTERN "$csinput"
%typemap(csout, excode="") PATTERN { return $imcall; }
%typemap(in) PATTERN "$1 = ($1_ltype)$input;"
%typemap(out) PATTERN {
  $result = (C)$1;
}
%typemap(argout) PATTERN ""
%typemap(freearg) PATTERN ""
%enddef
TN_PLAIN(TN_HANDLE, void *, global::System.IntPtr)
TN_PLAIN(TN_ERROR, void *, global::System.IntPtr)
TN_PLAIN(void *, void *, global::System.IntPtr)
TN_PLAIN(const void *, void *, void*)
TN_PLAIN(void (*)(void *), void *, global::System.IntPtr)
TN_PLAIN(SWIGTYPE *, void *, global::System.IntPtr)
TN_PLAIN(size_t, size_t, global::System.UIntPtr)
TN_PLAIN(int32_t, int32_t, int)
TN_PLAIN(uint32_t, uint32_t, uint)
TN_PLAIN(int64_t, int64_t, long)
TN_PLAIN(uint64_t, uint64_t, ulong)
TN_PLAIN(TN_HANDLE *TN_OUT, void *, global::System.IntPtr*)
TN_PLAIN(TN_HANDLE *TN_OUT_WANTED, void *, global::System.IntPtr*)
TN_PLAIN(const void **TN_OUT, void *, void**)

// An array and its size stay two parameters: typemaps that SWIG never asks for stand for the pairs in grammar.i.
%define TN_PAIR(KIND)
%typemap(two) (KIND, size_t TN_SIZE) ""
%enddef
TN_PAIR(const void *TN_BYTES)
TN_PAIR(char *TN_OUT_TEXT)

%define TN_NUMBER(TYPE, CSHARP)
TN_PLAIN(TYPE *TN_OUT, void *, CSHARP*)
TN_PAIR(const TYPE *TN_ARRAY)
TN_PAIR(TYPE *TN_OUT_ARRAY)
TN_PLAIN(TYPE *, void *, CSHARP*)
TN_PLAIN(const TYPE *, void *, CSHARP*)
%enddef
TN_NUMBER(int32_t, int)
TN_NUMBER(uint32_t, uint)
TN_NUMBER(int64_t, long)
TN_NUMBER(uint64_t, ulong)
TN_NUMBER(size_t, global::System.UIntPtr)
TN_NUMBER(double, double)
TN_NUMBER(float, float)
TN_PLAIN(char *, void *, byte*)

TN_PLAIN(const char *TN_TEXT, void *, byte[])
%typemap(cstype) const char *TN_TEXT "string"
%typemap(csin) const char *TN_TEXT "Text.Terminated($csinput)"
TN_PLAIN(const char *, void *, global::System.IntPtr)
%typemap(cstype) const char * "string"
%typemap(csout, excode="") const char * { return Text.Of($imcall); }

%define TN_CALLBACKS(STRUCT, CAMEL, NOUN)
TN_PLAIN(const STRUCT *, void *, STRUCT*)
%enddef
