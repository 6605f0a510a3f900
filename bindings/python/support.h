/* What the raw module of Python has besides the C functions: entering Python from a thread of the library's,
 * exceptions as errors and back, memory without a copy. Only the limited API of Python 3.11. */
#ifndef TENON_PYTHON_SUPPORT_H
#define TENON_PYTHON_SUPPORT_H

#include <string.h>

#include "slots.h"
#include "tenon/tenon.h"

/* --- from the library into Python
 * --------------------------------------------------------------------------------- */

/* Set when the interpreter begins to end: after that no thread that is new to it may enter. */
static volatile int tenon_python_ending = 0;

static int tenon_python_enter(PyGILState_STATE* state) {
  if (!Py_IsInitialized() || (tenon_python_ending && !PyGILState_GetThisThreadState())) return 0;
  *state = PyGILState_Ensure();
  return 1;
}

static PyObject* tenon_python_at_exit(PyObject* self, PyObject* unused) {
  (void)self;
  (void)unused;
  tenon_python_ending = 1;
  Py_RETURN_NONE;
}

static PyMethodDef tenon_python_at_exit_method = {"_at_exit", tenon_python_at_exit, METH_NOARGS, NULL};

/* For the module's initialisation; 0 with an exception on failure. */
static int tenon_python_watch_exit(void) {
  PyObject* atexit = PyImport_ImportModule("atexit");
  PyObject* function = PyCFunction_NewEx(&tenon_python_at_exit_method, NULL, NULL);
  PyObject* done = atexit && function ? PyObject_CallMethod(atexit, "register", "O", function) : NULL;
  Py_XDECREF(atexit);
  Py_XDECREF(function);
  Py_XDECREF(done);
  return done != NULL;
}

static void tenon_python_drop(void* object) {
  PyGILState_STATE state;
  if (!tenon_python_enter(&state)) return;
  Py_DECREF((PyObject*)object);
  PyGILState_Release(state);
}

/* --- exceptions
 * ---------------------------------------------------------------------------------------------------- */

static void tenon_python_drop_payload(void* payload) {
  void* exception = tenon_slot_take(payload);
  if (exception) tenon_python_drop(exception);
}

/* The exception that is set, as an error that carries it. Its code is the exception's attribute
 * `tn_error_code`, if it has one. */
static tn_error_t tenon_python_error(void) {
  PyObject *type, *exception, *trace, *text, *code;
  const char* message = NULL;
  long number = TN_ERROR_CALLBACK;
  void* slot;
  tn_error_t error;
  PyErr_Fetch(&type, &exception, &trace);
  PyErr_NormalizeException(&type, &exception, &trace);
  if (!exception) return tn_error_create(TN_ERROR_OUT_OF_MEMORY, "no memory for an exception", NULL, NULL);
  if (trace) PyException_SetTraceback(exception, trace);
  Py_XDECREF(type);
  Py_XDECREF(trace);
  code = PyObject_GetAttrString(exception, "tn_error_code");
  if (code && PyLong_Check(code)) number = PyLong_AsLong(code);
  Py_XDECREF(code);
  PyErr_Clear();
  text = PyObject_Str(exception);
  if (text) message = PyUnicode_AsUTF8AndSize(text, NULL);
  if (!message || !*message) {
    PyErr_Clear();
    message = "an exception without a message";
  }
  slot = tenon_slot_put(exception);
  if (!slot) Py_DECREF(exception);
  error = tn_error_create((tn_error_code)number, message, slot, slot ? tenon_python_drop_payload : NULL);
  Py_XDECREF(text);
  return error;
}

static tn_error_t tenon_python_gone(void) {
  return tn_error_create(TN_ERROR_CALLBACK, "the Python interpreter has ended", NULL, NULL);
}

static PyObject* tenon_python_text(const char* text, size_t size) {
  if (!text) Py_RETURN_NONE;
  return PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, "replace");
}

/* What a method gave back as an address; NULL for None. 0 with an exception if it is neither. */
static int tenon_python_address(PyObject* object, void** address) {
  *address = object == Py_None ? NULL : PyLong_AsVoidPtr(object);
  return !(*address == NULL && PyErr_Occurred());
}

/* --- callback tables
 * ------------------------------------------------------------------------------------------------ */

static void tenon_python_release(void* user_data) {
  PyGILState_STATE state;
  PyObject *method, *result = NULL;
  if (!tenon_python_enter(&state)) return;
  method = PyObject_GetAttrString((PyObject*)user_data, "release");
  if (method) {
    result = PyObject_CallNoArgs(method);
    if (!result) PyErr_WriteUnraisable(method);
    Py_DECREF(method);
  }
  PyErr_Clear();
  Py_XDECREF(result);
  Py_DECREF((PyObject*)user_data);
  PyGILState_Release(state);
}

/* --- memory
 * ----------------------------------------------------------------------------------------------------------
 */

/* Memory(address, size, readonly, owner): a buffer over memory of the library's, which keeps its owner. */
typedef struct {
  PyObject_HEAD char* address;
  Py_ssize_t size;
  int readonly;
  PyObject* owner;
} tenon_python_memory;

static int tenon_python_memory_init(PyObject* object, PyObject* args, PyObject* keywords) {
  static char* names[] = {(char*)"address", (char*)"size", (char*)"readonly", (char*)"owner", NULL};
  tenon_python_memory* self = (tenon_python_memory*)object;
  PyObject *address, *owner = Py_None, *old = self->owner;
  Py_ssize_t size;
  int readonly = 1;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "On|pO", names, &address, &size, &readonly, &owner))
    return -1;
  if (size < 0) {
    PyErr_SetString(PyExc_ValueError, "size must not be negative");
    return -1;
  }
  if (!tenon_python_address(address, (void**)&self->address)) return -1;
  self->size = size;
  self->readonly = readonly;
  Py_INCREF(owner);
  self->owner = owner;
  Py_XDECREF(old);
  return 0;
}

static int tenon_python_memory_traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(((tenon_python_memory*)object)->owner);
  return 0;
}

static int tenon_python_memory_clear(PyObject* object) {
  Py_CLEAR(((tenon_python_memory*)object)->owner);
  return 0;
}

static void tenon_python_memory_dealloc(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
  PyObject_GC_UnTrack(object);
  tenon_python_memory_clear(object);
  free_object(object);
  Py_DECREF(type);
}

static int tenon_python_memory_buffer(PyObject* object, Py_buffer* view, int flags) {
  tenon_python_memory* self = (tenon_python_memory*)object;
  static char nothing[1];
  return PyBuffer_FillInfo(view, object, self->address ? self->address : nothing, self->size, self->readonly,
                           flags);
}

static PyType_Slot tenon_python_memory_slots[] = {{Py_tp_init, (void*)tenon_python_memory_init},
                                                  {Py_tp_dealloc, (void*)tenon_python_memory_dealloc},
                                                  {Py_tp_traverse, (void*)tenon_python_memory_traverse},
                                                  {Py_tp_clear, (void*)tenon_python_memory_clear},
                                                  {Py_bf_getbuffer, (void*)tenon_python_memory_buffer},
                                                  {0, NULL}};
static PyType_Spec tenon_python_memory_spec = {"tenon._raw.Memory", sizeof(tenon_python_memory), 0,
                                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                                               tenon_python_memory_slots};

/* A buffer of elements that lie next to each other, for the time of a call. `itemsize` 0 takes any. */
static int tenon_python_view(PyObject* object, Py_buffer* view, int writable, Py_ssize_t itemsize) {
  int flags = (itemsize ? PyBUF_ND | PyBUF_FORMAT : PyBUF_SIMPLE) | (writable ? PyBUF_WRITABLE : 0);
  if (PyObject_GetBuffer(object, view, flags) != 0) return 0;
  if (itemsize && view->itemsize != itemsize) {
    PyErr_Format(PyExc_TypeError, "the buffer's elements have %zd bytes; %zd are needed", view->itemsize,
                 itemsize);
    PyBuffer_Release(view);
    return 0;
  }
  return 1;
}

/* address(buffer, writable=False): (address, size in bytes) of an object's memory, which must lie in one
 * piece. It is valid while something holds the buffer: a memoryview of the object. */
static PyObject* tenon_python_buffer_address(PyObject* object, int writable) {
  Py_buffer view;
  PyObject* result;
  if (!tenon_python_view(object, &view, writable, 0)) return NULL;
  result = Py_BuildValue("(Nn)", PyLong_FromVoidPtr(view.buf), view.len);
  PyBuffer_Release(&view);
  return result;
}

/* keep(object): (user_data, release) for a function that takes memory over: the object lives until the
 * library calls release with user_data, which must happen once. */
static PyObject* tenon_python_keep(PyObject* object) {
  PyObject* result =
      Py_BuildValue("(NN)", PyLong_FromVoidPtr(object), PyLong_FromVoidPtr((void*)tenon_python_drop));
  if (result) Py_INCREF(object);
  return result;
}

/* payload(address): the exception that lies in an error, None if what lies there is not Python's. The error
 * must be alive. */
static PyObject* tenon_python_payload(void* address) {
  PyObject* object = (PyObject*)tenon_slot_get(address);
  if (!object) Py_RETURN_NONE;
  Py_INCREF(object);
  return object;
}

#endif
