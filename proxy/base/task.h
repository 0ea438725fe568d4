// The one coroutine type. A coroutine that starts another awaits it, or spawns it through a Gate
// (gate.h).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "proxy/base/result.h"

namespace mandated {

/// Each worker is one thread that runs one io_context; all its work runs on this executor.
using Executor = boost::asio::io_context::executor_type;

template <class T = void>
using Task = boost::asio::awaitable<T, Executor>;

/// Asio completion token; used only in base/ and net/, which turn its outcomes into Result.
inline constexpr boost::asio::use_awaitable_t<Executor> use_task{};

}  // namespace mandated
