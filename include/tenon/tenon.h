/**
 * @file tenon.h
 * All of Tenon: a model in ONNX becomes a plan for this machine (builder.h), and the plan runs
 * (runtime.h, engine.h, execution_context.h).
 *
 * What holds everywhere:
 * - Functions return an error, NULL for success (error.h). After a failure all that they should have given is
 *   NULL or 0.
 * - Objects are handles that the library checks. Each is destroyed once, by its own destroy function,
 *   whenever and on whichever thread one likes: what still needs it keeps it alive.
 * - Text goes in terminated and comes out by copy: a buffer, its size, and the whole length, so that a call
 *   with `NULL, 0` asks for the length. Text that does not fit is cut off at a byte, and always terminated.
 * - Documents and other bytes come out as blobs (blob.h).
 * - Callbacks come in tables that are copied, with a function that releases what stands behind them exactly
 *   once. The library holds no lock when it calls them, and they must not throw.
 * - Each header says its thread rule.
 */
#ifndef TENON_TENON_H
#define TENON_TENON_H

#include "tenon/annotations.h"
#include "tenon/version.h"
#include "tenon/types.h"
#include "tenon/error.h"
#include "tenon/blob.h"
#include "tenon/logger.h"
#include "tenon/allocator.h"
#include "tenon/device.h"
#include "tenon/timing_cache.h"
#include "tenon/optimization_profile.h"
#include "tenon/builder_config.h"
#include "tenon/network.h"
#include "tenon/onnx_model.h"
#include "tenon/builder.h"
#include "tenon/runtime.h"
#include "tenon/engine.h"
#include "tenon/execution_context.h"
#include "tenon/engine_inspector.h"
#include "tenon/refitter.h"
#include "tenon/debug.h"

#endif
