/**
 * @file builder.h
 * Builders: a network becomes a plan.
 *
 * ```c
 * tn_builder_t builder = NULL;
 * tn_network_t network = NULL;
 * tn_builder_config_t config = NULL;
 * tn_blob_t plan = NULL;
 * tn_builder_create(&builder);
 * tn_network_create_from_onnx_file(builder, "model.onnx", &network);
 * tn_builder_config_create(&config);
 * tn_builder_build(builder, network, config, &plan, NULL);
 * ```
 * (with every returned error looked at).
 *
 * Thread rule: internally synchronised; any thread. Builds may run beside each other.
 */
#ifndef TENON_BUILDER_H
#define TENON_BUILDER_H

#include "tenon/blob.h"
#include "tenon/builder_config.h"
#include "tenon/logger.h"
#include "tenon/network.h"

TN_BEGIN_DECLS

/**
 * A builder without a logger and with the library's limits.
 *
 * @param out_builder  Receives the builder.
 * @return Fails with OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_create(TN_OUT TN_OWNED tn_builder_t *out_builder) TN_NOEXCEPT;

/** Destroys the handle. NULL and bad handles are ignored. */
TN_API TN_SINCE(0, 1) void tn_builder_destroy(TN_NULLABLE tn_builder_t builder) TN_NOEXCEPT;

/**
 * Sets where messages of imports and builds go, from the next one on.
 *
 * @param builder  The builder.
 * @param logger   NULL: nowhere.
 * @return Fails with INVALID_HANDLE.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_set_logger(tn_builder_t builder, TN_NULLABLE tn_logger_t logger) TN_NOEXCEPT;

/**
 * Sets a limit for models that are imported and plans that are built.
 *
 * @param builder  The builder.
 * @param limit    Which one.
 * @param value    Greater than 0, in the unit that the limit's name says.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_set_limit(tn_builder_t builder, tn_limit limit, int64_t value) TN_NOEXCEPT;

/**
 * A limit.
 *
 * @param builder    The builder.
 * @param limit      Which one.
 * @param out_value  Receives its value.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_get_limit(tn_builder_t builder, tn_limit limit, TN_OUT int64_t *out_value) TN_NOEXCEPT;

/**
 * Builds a plan for this machine: what tn_engine_create() takes. It measures kernels, so it takes a while and
 * should have the machine for itself. The network is not changed.
 *
 * @param builder     The builder.
 * @param network     The network.
 * @param config      How to build it.
 * @param out_plan    Receives the plan. The same network, configuration and timing cache give the same bytes.
 * @param out_report  Receives the build report, a JSON object: every node's candidates with their times or
 *                    the reasons why they were refused, every fusion. May be NULL.
 * @return Fails with INVALID_HANDLE, INVALID_ARGUMENT (a profile that does not fit the network),
 *         INVALID_MODEL, UNSUPPORTED, LIMIT_EXCEEDED, CANCELLED or whatever the progress callback gave,
 *         OUT_OF_MEMORY.
 */
TN_API TN_SINCE(0, 1) TN_MUST_USE tn_error_t
tn_builder_build(tn_builder_t builder, tn_network_t network, tn_builder_config_t config,
                 TN_OUT TN_OWNED tn_blob_t *out_plan,
                 TN_OUT TN_OWNED TN_NULLABLE tn_blob_t *out_report) TN_NOEXCEPT;

TN_END_DECLS

#endif
