#include "tenon/execution_context.h"

#include "entry.h"
#include "layers.h"

namespace tenon::capi {

// A table that hears of layers, and what it has failed with since the last run began.
struct Profiler {
  Table<tn_profiler_callbacks> table;
  std::mutex mutex;
  std::shared_ptr<ErrorObject> error;

  std::shared_ptr<ErrorObject> take_error() {
    std::lock_guard lock(mutex);
    return std::move(error);
  }

  void report(const plan::Plan& plan, const plan::Region& region, const plan::Step& step,
              double microseconds) {
    {
      std::lock_guard lock(mutex);
      if (error) return;
    }
    bool inside = !region.steps.empty() && std::less_equal<>()(&region.steps.front(), &step) &&
                  std::less_equal<>()(&step, &region.steps.back());
    size_t index = inside ? static_cast<size_t>(&step - &region.steps.front()) : region.steps.size();
    tn_error_t failure =
        table.functions.layer(table.functions.user_data, index, step.name.c_str(), step.kernel.c_str(),
                              origins_of(plan, step).c_str(), microseconds);
    if (!failure) return;
    auto taken = take_callback_error(failure);
    std::lock_guard lock(mutex);
    error = std::move(taken);
  }
};

ExecutionContextObject::~ExecutionContextObject() {
  if (!enqueued || !context) return;
  try {
    (void)context->wait();
  } catch (...) {  // lack of memory for a message that nobody reads
  }
}

namespace {

// The one caller of a context, for the length of a call.
class Turn {
 public:
  static Result<Turn> take(tn_execution_context_t handle, bool also_enqueued = false) {
    TN_ASSIGN(auto self, object(handle, "context"));
    if (self->busy.exchange(true, std::memory_order_acquire))
      return fail(Code::busy, "context is in use by another call; make one context per thread");
    Turn turn(std::move(self));
    if (turn->enqueued && !also_enqueued)
      return fail(Code::busy, "a run of the context is enqueued; wait for it first");
    return turn;
  }
  Turn(Turn&& other) noexcept : self_(std::move(other.self_)) {}
  Turn& operator=(Turn&& other) noexcept {
    std::swap(self_, other.self_);
    return *this;
  }
  ~Turn() {
    if (self_) self_->busy.store(false, std::memory_order_release);
  }
  ExecutionContextObject* operator->() const { return self_.get(); }

 private:
  explicit Turn(std::shared_ptr<ExecutionContextObject> self) : self_(std::move(self)) {}
  std::shared_ptr<ExecutionContextObject> self_;
};

Status attach_profiler(ExecutionContextObject& self, Context& context, int32_t profile,
                       std::shared_ptr<Profiler> profiler) {
  if (!profiler) return context.set_profiler(nullptr);
  // The context lives no longer than its engine, and the plan's regions are never moved.
  const plan::Plan& plan = self.engine->engine->plan();
  const plan::Region& region = plan.profiles[static_cast<size_t>(profile)].region;
  return context.set_profiler(
      [&plan, &region, profiler = std::move(profiler)](const plan::Step& step, double microseconds) {
        profiler->report(plan, region, step, microseconds);
      });
}

// The result of a run, or what the profiler failed with.
Status finish(const Turn& turn, Status status) {
  std::shared_ptr<ErrorObject> error = turn->profiler ? turn->profiler->take_error() : nullptr;
  if (status && error) return fail_with(std::move(error));
  return status;
}

}  // namespace
}  // namespace tenon::capi

using namespace tenon;
using namespace tenon::capi;

void tn_profiler_callbacks_init(tn_profiler_callbacks* out_callbacks, size_t struct_size) noexcept {
  init_callbacks(out_callbacks, struct_size);
}

tn_error_t tn_execution_context_create(tn_engine_t engine, int32_t profile,
                                       tn_execution_context_t* out_context) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(auto parent, object(engine, "engine"));
        TN_TRY(expect_profile(profile, parent->engine->profile_count()));
        auto made = std::make_shared<ExecutionContextObject>();
        made->engine = parent;
        made->profile = profile;
        TN_ASSIGN(made->context, parent->engine->create_context(profile));
        *out_context = new_handle<tn_execution_context_t>(std::move(made));
        return {};
      },
      out(out_context, "out_context"));
}

void tn_execution_context_destroy(tn_execution_context_t context) noexcept { destroy(context); }

tn_error_t tn_execution_context_set_profile(tn_execution_context_t context, int32_t profile) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(Turn turn, Turn::take(context));
    Engine& engine = *turn->engine->engine;
    TN_TRY(expect_profile(profile, engine.profile_count()));
    TN_ASSIGN(auto other, engine.create_context(profile));
    TN_TRY(attach_profiler(*turn.operator->(), *other, profile, turn->profiler));
    turn->context = std::move(other);
    turn->profile = profile;
    return {};
  });
}

tn_error_t tn_execution_context_get_profile(tn_execution_context_t context, int32_t* out_profile) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(Turn turn, Turn::take(context));
        *out_profile = turn->profile;
        return {};
      },
      out(out_profile, "out_profile"));
}

tn_error_t tn_execution_context_set_input_shape(tn_execution_context_t context, const char* input,
                                                const int64_t* dims, size_t dims_size) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(Turn turn, Turn::take(context));
    TN_ASSIGN(auto name, text(input, "input"));
    TN_ASSIGN(auto shape, dims_in(dims, dims_size, "dims"));
    return turn->context->set_input_shape(name, shape);
  });
}

tn_error_t tn_execution_context_get_shape(tn_execution_context_t context, const char* tensor, int64_t* dims,
                                          size_t dims_size, size_t* out_size) noexcept {
  DimsOut result{dims, dims_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(Turn turn, Turn::take(context));
        TN_ASSIGN(auto name, text(tensor, "tensor"));
        TN_ASSIGN(auto shape, turn->context->shape(name));
        return result.set(shape);
      },
      result);
}

tn_error_t tn_execution_context_set_buffer(tn_execution_context_t context, const char* tensor, void* buffer,
                                           size_t buffer_size) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(Turn turn, Turn::take(context));
    TN_ASSIGN(auto name, text(tensor, "tensor"));
    TN_TRY(bytes(buffer, buffer_size, "buffer"));
    return turn->context->set_buffer(name, buffer, buffer_size);
  });
}

tn_error_t tn_execution_context_prepare(tn_execution_context_t context) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(Turn turn, Turn::take(context));
    return turn->context->prepare();
  });
}

tn_error_t tn_execution_context_run(tn_execution_context_t context) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(Turn turn, Turn::take(context));
    return finish(turn, turn->context->run());
  });
}

tn_error_t tn_execution_context_run_measured(tn_execution_context_t context, double* out_microseconds) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(Turn turn, Turn::take(context));
        Result<double> time = turn->context->run_measured();
        if (!time) return finish(turn, tl::unexpected<Error>(std::move(time.error())));
        *out_microseconds = *time;
        return finish(turn, {});
      },
      out(out_microseconds, "out_microseconds"));
}

tn_error_t tn_execution_context_run_in_parts(tn_execution_context_t context, double* out_input_microseconds,
                                             double* out_enqueue_microseconds,
                                             double* out_output_microseconds) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(Turn turn, Turn::take(context));
        Result<RunParts> parts = turn->context->run_in_parts();
        if (!parts) return finish(turn, tl::unexpected<Error>(std::move(parts.error())));
        *out_input_microseconds = parts->input;
        *out_enqueue_microseconds = parts->enqueue;
        *out_output_microseconds = parts->output;
        return finish(turn, {});
      },
      out(out_input_microseconds, "out_input_microseconds"),
      out(out_enqueue_microseconds, "out_enqueue_microseconds"),
      out(out_output_microseconds, "out_output_microseconds"));
}

tn_error_t tn_execution_context_get_replay(tn_execution_context_t context, int32_t* out_replayed,
                                           uint64_t* out_recording_count) noexcept {
  return enter(
      [&]() -> Status {
        TN_ASSIGN(Turn turn, Turn::take(context));
        TN_ASSIGN(Replay replay, turn->context->replay());
        *out_replayed = replay.recorded;
        if (out_recording_count) *out_recording_count = replay.recordings;
        return {};
      },
      out(out_replayed, "out_replayed"), optional_out(out_recording_count, "out_recording_count"));
}

tn_error_t tn_execution_context_get_replay_refusal(tn_execution_context_t context, char* buf, size_t buf_size,
                                                   size_t* out_size) noexcept {
  TextOut result{buf, buf_size, out_size};
  return enter(
      [&]() -> Status {
        TN_ASSIGN(Turn turn, Turn::take(context));
        TN_ASSIGN(Replay replay, turn->context->replay());
        result.set(replay.why_not);
        return {};
      },
      result);
}

tn_error_t tn_execution_context_enqueue(tn_execution_context_t context, void* stream) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(Turn turn, Turn::take(context));
    TN_TRY(turn->context->enqueue(stream));
    turn->enqueued = true;
    return {};
  });
}

tn_error_t tn_execution_context_wait(tn_execution_context_t context) noexcept {
  return enter([&]() -> Status {
    TN_ASSIGN(Turn turn, Turn::take(context, true));
    if (!turn->enqueued) return {};
    turn->enqueued = false;
    return finish(turn, turn->context->wait());
  });
}

tn_error_t tn_execution_context_set_profiler(tn_execution_context_t context,
                                             const tn_profiler_callbacks* callbacks) noexcept {
  Table<tn_profiler_callbacks> owed;
  std::shared_ptr<Profiler> profiler;  // after the swap, the one that was there: released here
  return enter([&]() -> Status {
    if (callbacks) TN_TRY(copy_callbacks(callbacks, owed));
    TN_ASSIGN(Turn turn, Turn::take(context));
    if (callbacks) {
      if (!owed.functions.layer)
        return fail(Code::invalid_argument, "layer is NULL in the callbacks of a profiler");
      profiler = std::make_shared<Profiler>();
      std::swap(profiler->table.functions, owed.functions);
    }
    TN_TRY(attach_profiler(*turn.operator->(), *turn->context, turn->profile, profiler));
    turn->profiler.swap(profiler);
    return {};
  });
}
