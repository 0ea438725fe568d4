// `mandated receipt …`: keys, and receipts to issue, delegate, show, check and verify in bulk
// (profile section 8).
#pragma once

namespace CLI {
class App;
}

namespace mandated {

/// Adds the command `receipt`. `exit_code` must outlive `app`; it is 1 after a refusal or an error.
void add_receipt_commands(CLI::App& app, int& exit_code);

}  // namespace mandated
