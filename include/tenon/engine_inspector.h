/**
 * @file engine_inspector.h
 * Engine inspectors: what a plan is made of.
 *
 * Thread rule: immutable; any thread.
 */
#ifndef TENON_ENGINE_INSPECTOR_H
#define TENON_ENGINE_INSPECTOR_H

#include "tenon/engine.h"

/** Describes a plan. */
typedef struct tn_engine_inspector *tn_engine_inspector_t;

TN_BEGIN_DECLS

/**
 * An inspector of an engine's plan.
 *
 * @param engine         The engine, which the inspector keeps alive.
 * @param out_inspector  Receives the inspector.
 * @return Fails with INVALID_HANDLE, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_inspector_create(tn_engine_t engine,
                           TN_OUT TN_OWNED tn_engine_inspector_t *out_inspector) TN_NOEXCEPT;

/**
 * An inspector of a plan that is not loaded, which may be for another machine. It is checked like one that is
 * loaded.
 *
 * @param plan           Bytes of a plan; copied.
 * @param plan_size      Their number.
 * @param out_inspector  Receives the inspector.
 * @return Fails with INVALID_ARGUMENT, INVALID_PLAN, LIMIT_EXCEEDED, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_inspector_create_from_plan(TN_LEN(plan_size) const void *plan, size_t plan_size,
                                     TN_OUT TN_OWNED tn_engine_inspector_t *out_inspector) TN_NOEXCEPT;

/** Destroys the handle. NULL and bad handles are ignored. */
TN_API TN_SINCE(0, 1) void
tn_engine_inspector_destroy(TN_NULLABLE tn_engine_inspector_t inspector) TN_NOEXCEPT;

/**
 * The description: target, inputs and outputs, profiles with their layers, weights, what can be refitted.
 *
 * @param inspector     The inspector.
 * @param format        Text: one line per fact, in a fixed order. JSON: the same as one object.
 * @param out_document  Receives the document in UTF-8.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_inspector_get_information(tn_engine_inspector_t inspector, tn_document_format format,
                                    TN_OUT TN_OWNED tn_blob_t *out_document) TN_NOEXCEPT;

/**
 * A profile of the plan as an ONNX model to look at, which nothing runs: a node per layer in a domain of its own,
 * with kernel, precision, formats and the model's nodes that it computes as attributes; with the build's report
 * also tactic, configuration and time.
 *
 * @param inspector    The inspector.
 * @param profile      Number of the profile.
 * @param report       The report of the build that made the plan, JSON; borrowed for the call. May be NULL when
 *                     `report_size` is 0: none is there.
 * @param report_size  Its size in bytes.
 * @param out_model    Receives the model.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT, OUT_OF_RANGE, LIMIT_EXCEEDED, OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_engine_inspector_serialize_to_onnx(tn_engine_inspector_t inspector, int32_t profile,
                                      TN_NULLABLE TN_LEN(report_size) const void *report, size_t report_size,
                                      TN_OUT TN_OWNED tn_blob_t *out_model) TN_NOEXCEPT;

TN_END_DECLS

#endif
