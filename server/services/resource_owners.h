// Whose the resources of this server are, as their records say it. Thread-safe; reads files and the store.
#pragma once

#include "server/operations/operation_manager.h"
#include "server/services/access_gate.h"
#include "server/store/data_folder.h"
#include "server/store/job_store.h"
#include "server/store/sweep_store.h"

namespace traind::server {

// The arguments outlive the result.
ResourceOwners OwnersIn(JobStore* store, DataFolder* folder, OperationManager* operations, SweepStore* sweeps);

}  // namespace traind::server
