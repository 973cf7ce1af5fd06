// Examples that may be mislabelled, as a page to look through. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "client/margins.h"

namespace traind::client {

struct SuspectsPage {
  std::string title;
  std::string words;                 // Below it: from what this was found.
  std::vector<std::string> classes;  // Names of the classes; empty: they are numbers.
  std::vector<Suspect> suspects;
  std::vector<std::string> pictures;  // A PNG file of each; empty: there are none.
};

// The name of a class, else its number.
std::string ClassName(const std::vector<std::string>& classes, int64_t label);

// One HTML file with its pictures in it, for light and for dark screens. Text of others is no markup in it.
std::string RenderSuspectsPage(const SuspectsPage& page);

}  // namespace traind::client
