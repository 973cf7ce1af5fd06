// Counts the calls of operator new made by this program's own code: those of oneDNN, which allocates its argument lists
// by itself, are left out.
#pragma once

namespace traind::core {

void StartCountingAllocations();
// How many there were since the start, in all threads.
int StopCountingAllocations();

}  // namespace traind::core
