// The attempts of `hostile`, by name: each takes the words behind its name (missing ones are empty) and returns a
// negative number, with errno set, where it failed.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

using Words = std::vector<std::string>;
using Attempts = std::map<std::string, std::function<long(const Words&)>>;

const Attempts& file_attempts();
const Attempts& mount_attempts();

const Attempts& process_attempts(); // sections 8 to 13

// Prints what can be read from the descriptor; negative where it is none or nothing can be read.
long read_from(int fd);
