/* What the raw layer of Java has besides the C functions: entering Java from a thread of the library's,
 * objects that lie in errors, memory without a copy. */
#ifndef TENON_JAVA_SUPPORT_H
#define TENON_JAVA_SUPPORT_H

#include <jni.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "slots.h"
#include "tenon/tenon.h"

static JavaVM* tenon_java_vm;
static jclass tenon_java_callbacks; /* dev.tenon.internal.Callbacks, resolved when Java loads this library */
static pthread_key_t tenon_java_attached;

/* A thread that this library has attached is detached when it ends. */
static void tenon_java_detach(void* vm) { (*(JavaVM*)vm)->DetachCurrentThread((JavaVM*)vm); }

static jmethodID tenon_java_resolve_callbacks(JNIEnv* env);

JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM* vm, void* reserved) {
  JNIEnv* env;
  jclass callbacks;
  (void)reserved;
  if ((*vm)->GetEnv(vm, (void**)&env, JNI_VERSION_1_8) != JNI_OK) return JNI_ERR;
  callbacks = (*env)->FindClass(env, "dev/tenon/internal/Callbacks");
  if (!callbacks) return JNI_ERR;
  tenon_java_callbacks = (jclass)(*env)->NewGlobalRef(env, callbacks);
  if (!tenon_java_callbacks || !tenon_java_resolve_callbacks(env)) return JNI_ERR;
  if (pthread_key_create(&tenon_java_attached, tenon_java_detach) != 0) return JNI_ERR;
  tenon_java_vm = vm;
  return JNI_VERSION_1_8;
}

/* The environment of this thread, attached as a daemon if Java does not know it; NULL once Java has ended. */
static JNIEnv* tenon_java_enter(void) {
  JNIEnv* env = NULL;
  JavaVM* vm = tenon_java_vm;
  if (!vm) return NULL;
  if ((*vm)->GetEnv(vm, (void**)&env, JNI_VERSION_1_8) == JNI_OK) return env;
  if ((*vm)->AttachCurrentThreadAsDaemon(vm, (void**)&env, NULL) != JNI_OK) return NULL;
  pthread_setspecific(tenon_java_attached, vm);
  return env;
}

static tn_error_t tenon_java_gone(void) {
  return tn_error_create(TN_ERROR_CALLBACK, "the Java virtual machine takes no calls any more", NULL, NULL);
}

/* After a call into Callbacks, which catches what users throw: only lack of memory or stack is left. */
static tn_error_t tenon_java_failed(JNIEnv* env) {
  (*env)->ExceptionClear(env);
  return tn_error_create(TN_ERROR_OUT_OF_MEMORY, "Java had no memory or stack for a callback", NULL, NULL);
}

static jbyteArray tenon_java_bytes(JNIEnv* env, const char* text, size_t size) {
  jbyteArray array = text ? (*env)->NewByteArray(env, (jsize)size) : NULL;
  if (array) (*env)->SetByteArrayRegion(env, array, 0, (jsize)size, (const jbyte*)text);
  return array;
}

/* --- objects in errors
 * ---------------------------------------------------------------------------------------------- */

static void tenon_java_drop_slot(void* address) {
  jobject object = (jobject)tenon_slot_take(address);
  JNIEnv* env = object ? tenon_java_enter() : NULL;
  if (env) (*env)->DeleteGlobalRef(env, object);
}

/* An address for an object, for tn_error_create() with slot_release(); NULL for lack of memory. */
static void* tenon_java_slot(JNIEnv* env, jobject object) {
  jobject kept = (*env)->NewGlobalRef(env, object);
  void* slot = kept ? tenon_slot_put(kept) : NULL;
  if (kept && !slot) (*env)->DeleteGlobalRef(env, kept);
  return slot;
}

static void* tenon_java_slot_release(void) { return (void*)tenon_java_drop_slot; }

/* The object in a live error; null if what lies there is not Java's. */
static jobject tenon_java_payload(JNIEnv* env, void* address) {
  jobject object = (jobject)tenon_slot_get(address);
  return object ? (*env)->NewLocalRef(env, object) : NULL;
}

/* --- memory
 * -----------------------------------------------------------------------------------------------------------
 */

static void* tenon_java_address(JNIEnv* env, jobject buffer) {
  return buffer ? (*env)->GetDirectBufferAddress(env, buffer) : NULL;
}

static jobject tenon_java_buffer(JNIEnv* env, void* address, size_t size) {
  static char nothing[1];
  return (*env)->NewDirectByteBuffer(env, address ? address : nothing, (jlong)size);
}

#endif
