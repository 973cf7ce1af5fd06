/** The server: what it is and has, what is one's own of it, who uses the disk for what, and what retention will remove. */
import {ServerInfo, Storage} from "messages";
import {errorBox} from "web/app/notice";
import {Route} from "web/app/route";
import {Scope} from "web/app/scope";
import {button, Child, h, name, replace} from "web/dom";
import {big, bytes, count, dateTime, duration, plural, seconds, stateText} from "web/format";
import {call, CallError, Code} from "web/rpc/call";
import {figureOf, loading, table} from "web/views/parts";
import {gauge, quotaFigures} from "web/views/quota";

const mostRemovals = 200;

export function serverView(_route: Route, root: HTMLElement, scope: Scope) {
  const now = h("div"), mine = h("div"), disk = h("div");
  const plan = button("What would retention remove?", () => void storage(true));
  replace(
      root, h("div", {class: "head"}, h("h1", {}, "Server")), now, mine, h("h2", {}, "Disk"), disk,
      h("div", {class: "controls"}, plan));
  replace(now, loading());
  replace(disk, loading("Counting files…"));

  async function standing() {
    replace(now, describe(await call("ServerService/GetServerInfo", {}, {signal: scope.signal})));
    try {
      replace(mine, h("h2", {}, "Yours"), quotaFigures(await call("AuthService/GetQuota", {}, {signal: scope.signal})));
    } catch (error) {
      if (!(error instanceof CallError && error.code === Code.failedPrecondition)) throw error;  // There are no users.
    }
  }
  async function storage(planned: boolean) {
    plan.disabled = true;
    try {
      replace(
          disk,
          uses(
              await call("ServerService/GetStorage", {plan: planned}, {signal: scope.signal, timeoutMs: 60000}),
              planned));
    } catch (error) {
      if (!scope.closed) replace(disk, errorBox(error));
    } finally {
      plan.disabled = false;
    }
  }
  void scope.every(3000, standing, (error) => replace(now, errorBox(error)));
  void storage(false);
}

function describe(info: ServerInfo): Child {
  const {capacity, disk, queue, sandbox} = info;
  return [
    info.ready ? null : h("div", {class: "box bad", role: "status"}, info.not_ready_reason),
    sandbox?.missing.length ?
        h("details", {class: "box warn"}, h("summary", {}, "The sandbox of workers is incomplete"),
          h("ul", {}, sandbox.missing.map((layer) => h("li", {}, layer)))) :
        null,
    h("div", {class: "figures"},
      capacity ?
          [
            gauge("threads", capacity.threads_in_use, capacity.threads, count),
            gauge("memory of jobs", capacity.memory_in_use_bytes, capacity.memory_bytes, bytes)
          ] :
          null,
      disk ? gauge("disk", disk.total_bytes - disk.free_bytes, disk.total_bytes, bytes) : null),
    h("div", {class: "figures"}, figureOf("version", info.version),
      info.uptime ? figureOf("runs for", duration(seconds(info.uptime))) : null,
      queue?.job_counts.map((one) => figureOf(stateText(one.state), count(one.jobs))),
      queue ? figureOf("operations", `${count(queue.operations_running)} run, ${count(queue.operations_queued)} wait`) :
              null,
      queue ? figureOf("watchers", count(queue.watchers)) : null,
      info.certificate_expire_time ? figureOf("certificate ends", dateTime(info.certificate_expire_time)) : null),
  ];
}

function uses(storage: Storage, planned: boolean): Child {
  const kind = (text: string) => text.replace("STORAGE_KIND_", "").toLowerCase(),
        several = storage.uses.some((one) => one.owner);
  return [
    storage.incomplete ?
        h("div", {class: "box warn"}, "There was no time to count everything; look again for the rest.") :
        null,
    storage.uses.length ?
        table(
            [...several ? ["owner"] : [], "kind", "#how many", "#size"],
            storage.uses.map(
                (one) => [...several ? [name(one.owner)] : [], kind(one.kind), count(one.count), bytes(one.bytes)]),
            "Who uses the disk for what") :
        h("p", {class: "empty"}, "Nothing is stored yet."),
    storage.rules.length ?
        h("p", {}, "Rules of retention", storage.plan_only ? " (only told, not carried out)" : "", ": ",
          storage.rules.map((rule, i) => [i ? ", " : "", h("code", {}, rule)]), ".") :
        h("p", {class: "hint"}, "There are no rules of retention (--retain): nothing goes by itself."),
    !planned ?
        null :
        storage.planned_count ?
        [
          h("p", {},
            `Now they would remove ${plural(storage.planned_count, "thing")}, ${bytes(storage.planned_bytes)}:`),
          table(
              ["name", "why", "#size"],
              storage.planned.slice(0, mostRemovals).map((one) => [name(one.name), one.reason, bytes(one.bytes)]),
              "What retention would remove"),
          storage.planned_count > mostRemovals ?
              h("p", {class: "hint"},
                `The first ${mostRemovals} of ${big(storage.planned_count)}; "trainctl storage --plan" has more.`) :
              null
        ] :
        h("p", {}, "Now they would remove nothing."),
  ];
}
