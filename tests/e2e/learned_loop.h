// What a script learned in one checkout lets it do in another.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/e2e/loop.h"

namespace treadline::test {

using Edit = std::function<std::string(std::string profile)>; // by a person

// Those withheld lines that hold one of these texts.
Edit accepting(const std::vector<std::string>& lines);

// Learns the script, and enforces it in a clone. `prepare` is run in either checkout before.
void keeps_working(const Loop& loop, const std::string& script, const std::string& prepare = "", const Edit& edit = {});

} // namespace treadline::test
