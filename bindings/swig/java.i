// How each kind of parameter crosses into Java. Handles, addresses and sizes are long, errors are long (0 is success); what a
// function gives back goes into the first element of an array that the caller passes: `error = tn_blob_create(data, blob)`.
//
//   TN_TEXT          String, or null for NULL; crosses as UTF-8, never as JNI's own form of it
//   TN_BYTES         a direct ByteBuffer, from its position to its limit, or null for NULL
//   TN_ARRAY         long[] (and so on), or null
//   TN_OUT_TEXT      byte[] that receives the terminated text, or null
//   TN_OUT_ARRAY     long[] (and so on) that receives the numbers, or null
//   TN_OUT           an array whose first element is set; null for NULL
//   TN_OUT_WANTED    likewise; null when it is not wanted
//   callbacks        an object of Callbacks.X, or null. It is kept until the table is released, when its release() is called
%{
#include "support.h"
#include "trampolines_java.h"
%}

%include "enumsimple.swg"
%javaconst(1);
%pragma(java) moduleclassmodifiers="/** Tenon's C functions, one to one. Written by SWIG. */\npublic final class"
%pragma(java) jniclassclassmodifiers="final class"
%pragma(java) jniclasscode=%{
  static {
    Library.load();
  }
%}

%define TN_PLAIN(PATTERN, JNI, JAVA)
%typemap(jni) PATTERN #JNI
%typemap(jtype) PATTERN #JAVA
%typemap(jstype) PATTERN #JAVA
%typemap(javain) PATTERN "$javainput"
%typemap(javaout) PATTERN { return $jnicall; }
%typemap(freearg) PATTERN ""
%typemap(argout) PATTERN ""
%enddef

%define TN_SCALAR(PATTERN, JNI, JAVA)
TN_PLAIN(PATTERN, JNI, JAVA)
%typemap(in) PATTERN "$1 = ($1_ltype)$input;"
%typemap(out) PATTERN {
  $result = (JNI)$1;
}
%enddef
TN_SCALAR(size_t, jlong, long)
TN_SCALAR(int32_t, jint, int)
TN_SCALAR(uint32_t, jint, int)
TN_SCALAR(int64_t, jlong, long)
TN_SCALAR(uint64_t, jlong, long)

%define TN_ADDRESS(PATTERN)
TN_PLAIN(PATTERN, jlong, long)
%typemap(in) PATTERN "$1 = ($1_ltype)(uintptr_t)$input;"
%typemap(out) PATTERN "$result = (jlong)(uintptr_t)$1;"
%enddef
TN_ADDRESS(TN_HANDLE)
TN_ADDRESS(TN_ERROR)
TN_ADDRESS(void *)
TN_ADDRESS(void (*)(void *))
TN_ADDRESS(SWIGTYPE *)

TN_PLAIN(const char *TN_TEXT, jbyteArray, byte[])
%typemap(jstype) const char *TN_TEXT "String"
%typemap(javain) const char *TN_TEXT "Text.terminated($javainput)"
%typemap(in) const char *TN_TEXT {
  $1 = NULL;
  if ($input) {
    $1 = ($1_ltype)(*jenv)->GetByteArrayElements(jenv, $input, NULL);
    if (!$1) return $null;
  }
}
%typemap(freearg) const char *TN_TEXT
  "if ($1) (*jenv)->ReleaseByteArrayElements(jenv, $input, (jbyte *)$1, JNI_ABORT);"
%typemap(jni) const char * "jbyteArray"
%typemap(jtype) const char * "byte[]"
%typemap(jstype) const char * "String"
%typemap(javaout) const char * { return Text.of($jnicall); }
%typemap(out) const char * "$result = tenon_java_bytes(jenv, $1, $1 ? strlen($1) : 0);"

%typemap(jni) (const void *TN_BYTES, size_t TN_SIZE) "jobject"
%typemap(jtype) (const void *TN_BYTES, size_t TN_SIZE) "java.nio.ByteBuffer"
%typemap(jstype) (const void *TN_BYTES, size_t TN_SIZE) "java.nio.ByteBuffer"
%typemap(javain) (const void *TN_BYTES, size_t TN_SIZE) "Memory.slice($javainput)"
%typemap(in) (const void *TN_BYTES, size_t TN_SIZE) {
  $1 = $input ? ($1_ltype)(*jenv)->GetDirectBufferAddress(jenv, $input) : NULL;
  $2 = $input ? (size_t)(*jenv)->GetDirectBufferCapacity(jenv, $input) : 0;
}
%typemap(argout) (const void *TN_BYTES, size_t TN_SIZE) ""
%typemap(freearg) (const void *TN_BYTES, size_t TN_SIZE) ""

%define TN_ARRAYS(KIND, MODE, JNI, JAVA, NAME)
%typemap(jni) (KIND, size_t TN_SIZE) #JNI
%typemap(jtype) (KIND, size_t TN_SIZE) #JAVA
%typemap(jstype) (KIND, size_t TN_SIZE) #JAVA
%typemap(javain) (KIND, size_t TN_SIZE) "$javainput"
%typemap(in) (KIND, size_t TN_SIZE) {
  $1 = NULL;
  $2 = 0;
  if ($input) {
    $1 = ($1_ltype)(*jenv)->Get##NAME##ArrayElements(jenv, $input, NULL);
    if (!$1) return $null;
    $2 = (size_t)(*jenv)->GetArrayLength(jenv, $input);
  }
}
%typemap(argout) (KIND, size_t TN_SIZE) ""
%typemap(freearg) (KIND, size_t TN_SIZE) {
  if ($1) (*jenv)->Release##NAME##ArrayElements(jenv, $input, (void *)$1, MODE);
}
%enddef
TN_ARRAYS(char *TN_OUT_TEXT, 0, jbyteArray, byte[], Byte)

// numbers that come out
%define TN_OUTS(KIND, JNIARRAY, JNI, JAVA, NAME, CAST)
%typemap(jni) KIND #JNIARRAY
%typemap(jtype) KIND #JAVA
%typemap(jstype) KIND #JAVA
%typemap(javain) KIND "$javainput"
%typemap(in) KIND ($*1_ltype value = 0) "$1 = $input ? &value : NULL;"
%typemap(argout) KIND {
  if ($input) {
    JNI out = (JNI)CAST value$argnum;
    (*jenv)->Set##NAME##ArrayRegion(jenv, $input, 0, 1, &out);
  }
}
%typemap(freearg) KIND ""
%enddef
%define TN_NUMBER(TYPE, JNIARRAY, JNI, JAVA, NAME)
TN_OUTS(TYPE *TN_OUT, JNIARRAY, JNI, JAVA, NAME, )
TN_ARRAYS(const TYPE *TN_ARRAY, JNI_ABORT, JNIARRAY, JAVA, NAME)
TN_ARRAYS(TYPE *TN_OUT_ARRAY, 0, JNIARRAY, JAVA, NAME)
%enddef
TN_NUMBER(int32_t, jintArray, jint, int[], Int)
TN_NUMBER(uint32_t, jintArray, jint, int[], Int)
TN_NUMBER(int64_t, jlongArray, jlong, long[], Long)
TN_NUMBER(uint64_t, jlongArray, jlong, long[], Long)
TN_NUMBER(size_t, jlongArray, jlong, long[], Long)
TN_NUMBER(double, jdoubleArray, jdouble, double[], Double)
TN_NUMBER(float, jfloatArray, jfloat, float[], Float)
TN_OUTS(TN_HANDLE *TN_OUT, jlongArray, jlong, long[], Long, (uintptr_t))
TN_OUTS(TN_HANDLE *TN_OUT_WANTED, jlongArray, jlong, long[], Long, (uintptr_t))
TN_OUTS(const void **TN_OUT, jlongArray, jlong, long[], Long, (uintptr_t))

// The object is handed over only when every argument is good, since the library then releases it in any case.
%define TN_CALLBACKS(STRUCT, CAMEL, NOUN)
%typemap(jni) const STRUCT * "jobject"
%typemap(jtype) const STRUCT * "Callbacks." #CAMEL
%typemap(jstype) const STRUCT * "Callbacks." #CAMEL
%typemap(javain) const STRUCT * "$javainput"
%typemap(in) const STRUCT * (STRUCT table) {
  $1 = NULL;
  if ($input) {
    tenon_java_##NOUN##_callbacks(&table);
    $1 = &table;
  }
}
%typemap(check) const STRUCT * {
  if ($1) {
    table$argnum.user_data = (*jenv)->NewGlobalRef(jenv, $input);
    if (!table$argnum.user_data) return $null;
  }
}
%typemap(argout) const STRUCT * ""
%typemap(freearg) const STRUCT * ""
%enddef

// The functions that are not C's: see Memory and Callbacks.
%typemap(in, numinputs=0) JNIEnv *jenv "$1 = jenv;"
%rename(address) tenon_java_address;
%rename(buffer) tenon_java_buffer;
%rename(slot) tenon_java_slot;
%rename(slot_release) tenon_java_slot_release;
%rename(payload) tenon_java_payload;
void *tenon_java_address(JNIEnv *jenv, jobject buffer);
jobject tenon_java_buffer(JNIEnv *jenv, void *address, size_t size);
void *tenon_java_slot(JNIEnv *jenv, jobject object);
void *tenon_java_slot_release(void);
jobject tenon_java_payload(JNIEnv *jenv, void *address);
