using Rosetta.Testing.Processes;
using Xunit;

namespace Rosetta.Cli.Tests.Running;

public sealed class DeadLetterCommandTests : IAsyncLifetime
{
    const string Path = "/api/v1/pipelines/7/destinations/3/dlq";

    const string Letter =
        """
        {"id": "10-1", "table": "public.orders", "operation": "UPDATE", "key": ["7"], "old": null, "new": {"id": "7", "v": null, "odd [name]": "x"}, "unchanged": ["big"], "as_bytes": [],
         "error": "violates [positive]", "sqlstate": "23514", "error_class": "DATA", "first_failed_at": "2026-01-01T00:00:00+00:00", "retry_count": 2, "last_tried_at": null,
         "state": "FAILED", "commit_lsn": "0/10", "xid": 9, "committed_at": "2026-01-01T00:00:00+00:00", "bytes": 100, "note": null}
        """;

    readonly AnsweringApi _api = new AnsweringApi()
        .Answer("GET /api/v1/pipelines?limit=1000&offset=0", """{"items": [{"id": 7, "name": "shop"}], "total": 1}""")
        .Answer("GET /api/v1/destinations?limit=1000&offset=0", """{"items": [{"id": 3, "name": "warehouse"}], "total": 1}""");

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _api.DisposeAsync();

    [Fact]
    public async Task Should_count_and_list_dead_letters_and_say_where_to_go_on()
    {
        _api.Answer($"GET {Path}/count", """{"count": 1234, "tables": {"public.orders": 1230, "public.b": 4}}""")
            .Answer($"GET {Path}?limit=100&table=public.orders&error_class=DATA&sqlstate=23514&after=8-0", $$"""{"items": [{{Letter}}], "next": "10-1"}""");
        await AssertShowsAsync("dlq count shop warehouse", "public.orders", "1,230", "1,234");
        await AssertShowsAsync(
            "dlq list shop warehouse --table public.orders --error-class DATA --sqlstate 23514 --after 8-0", "10-1", "UPDATE", "FAILED", "23514", "violates [positive]", "--after 10-1");
    }

    [Fact]
    public async Task Should_show_what_they_met_and_what_to_do()
    {
        _api.Answer(
            $"GET {Path}/summary",
            """
            {"items": [{"table": "public.orders", "error_class": "DATA", "sqlstate": "23514", "count": 5, "bytes": 2048, "first_at": "2026-01-01T00:00:00+00:00", "last_at": "2026-01-02T00:00:00+00:00",
              "example": "violates [positive]", "remedy": "drop it [there]"},
             {"table": "public.orders", "error_class": null, "sqlstate": null, "count": 2, "bytes": 10, "first_at": "2026-01-01T00:00:00+00:00", "last_at": "2026-01-02T00:00:00+00:00",
              "example": null, "remedy": "none"}]}
            """);
        await AssertShowsAsync("dlq summary 7 3", "23514", "2.0 kB", "violates [positive]", "drop it [there]", "waiting");
    }

    [Fact]
    public async Task Should_show_one_beside_the_row_that_the_destination_has()
    {
        _api.Answer($"GET {Path}/10-1", $$"""{"entry": {{Letter}}, "remedy": "drop it", "current": {"id": "7", "v": "41", "big": "as it was"}, "current_problem": null}""");
        await AssertShowsAsync("dlq show shop warehouse 10-1", "public.orders", "odd [name]", "NULL", "41", "unchanged", "as it was", "drop it", "23514");
        _api.Answer($"GET {Path}/10-1", $$"""{"entry": {{Letter}}, "remedy": "drop it", "current": null, "current_problem": "it is away"}""");
        await AssertShowsAsync("dlq show shop warehouse 10-1", "not known: it is away");
    }

    [Fact]
    public async Task Should_export_line_by_line_as_it_came()
    {
        _api.Answer($"GET {Path}/export?table=orders", "{\"id\":\"1-0\"}\n{\"id\":\"2-0\"}\n", type: "application/x-ndjson").Answer($"GET {Path}/export", "", type: "application/x-ndjson");
        var run = await ProgramRun.RosettaAsync(_api.Address, "dlq export shop warehouse --table orders");
        Assert.Equal((0, "{\"id\":\"1-0\"}\n{\"id\":\"2-0\"}\n"), (run.ExitCode, run.Output));
        var empty = await ProgramRun.RosettaAsync(_api.Address, "dlq export shop warehouse");
        Assert.Equal((0, ""), (empty.ExitCode, empty.Output));
        Assert.Equal(1, (await ProgramRun.RosettaAsync(_api.Address, "dlq export 8 3")).ExitCode);
    }

    [Fact]
    public async Task Should_show_who_edited_and_discarded_what()
    {
        const string Audit =
            """
            {"items": [
              {"id": "12", "action": "EDIT", "state": "PENDING", "recorded_at": "2026-01-01T00:00:00+00:00", "done_at": null, "requested_by": null, "reason": null, "recovery_id": "8",
               "table": "public.orders", "entry": "10-1", "operation": "UPDATE", "key": ["7"], "old": null, "new": {"id": "7", "v [n]": "1", "w": "x"}, "edited": {"id": "7", "v [n]": "2", "w": null},
               "unchanged": [], "as_bytes": [], "error": "no", "sqlstate": "23514", "error_class": "DATA", "note": null},
              {"id": "11", "action": "DISCARD", "state": "COMPLETED", "recorded_at": "2026-01-01T00:00:00+00:00", "done_at": "2026-01-02T03:04:05+00:00", "requested_by": "a [b]", "reason": "gone",
               "recovery_id": "7", "table": "public.a", "entry": "8-0", "operation": "DELETE", "key": ["5"], "old": {"id": "5"}, "new": null, "edited": null, "unchanged": [], "as_bytes": [],
               "error": null, "sqlstate": null, "error_class": null, "note": null},
              {"id": "10", "action": "DISCARD", "state": "COMPLETED", "recorded_at": "2026-01-01T00:00:00+00:00", "done_at": "2026-01-02T00:00:00+00:00", "requested_by": null, "reason": null,
               "recovery_id": "7", "table": "public.a", "entry": "7-0", "operation": null, "key": null, "old": null, "new": null, "edited": null, "unchanged": [], "as_bytes": [],
               "error": null, "sqlstate": null, "error_class": null, "note": "not there"}], "next": "10"}
            """;
        _api.Answer($"GET {Path}/audit?limit=100", Audit).Answer($"GET {Path}/audit?limit=3&table=public.a&after=13", Audit);
        await AssertShowsAsync("dlq audit shop warehouse", "10-1", "EDIT", "PENDING", "v [n]: 1 -> 2, w: x -> NULL", "a [b]", "2026-01-02 03:04:05Z", "gone", "id: 5", "not there", "--after 10");
        var json = await ProgramRun.RosettaAsync(_api.Address, "dlq audit shop warehouse --table public.a --limit 3 --after 13 --json");
        Assert.True(json.ExitCode == 0, json.Errors);
        var items = System.Text.Json.Nodes.JsonNode.Parse(json.Output)!["items"]!.AsArray();
        Assert.Equal(["12", "11", "10"], items.Select(i => (string)i!["id"]!));
        Assert.Equal("2", (string)items[0]!["edited"]!["v [n]"]!);
    }

    async Task AssertShowsAsync(string command, params string[] parts)
    {
        var run = await ProgramRun.RosettaAsync(_api.Address, command);
        Assert.True(run.ExitCode == 0, run.Errors);
        foreach (var part in parts)
            Assert.Contains(part, run.Output, StringComparison.Ordinal);
    }
}
