// The abstractions that ship with Treadline, and loading a profile with what it includes.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "profiles/policy.h"
#include "profiles/profile.h"
#include "profiles/variables.h"

namespace treadline {

std::vector<std::string> shipped_abstractions(); // names
// Those that learning chooses from, first the one that every profile needs: all but `base`, which is several of them
// for a person to write.
std::vector<std::string> learned_abstractions();
result<Profile> shipped_abstraction(const std::string& name);
std::string shipped_description(const std::string& name); // its first comment line, for people

// For Policy::build: shipped names, and ./paths below `directory` (an absolute path; "" allows no ./paths). A
// path is opened without following symbolic links and has to be a regular file.
Policy::Loader abstraction_loader(std::string directory);

result<Profile> load_profile(const std::string& path);
result<Policy> load_policy(const std::string& path, const Variables& variables);

} // namespace treadline
