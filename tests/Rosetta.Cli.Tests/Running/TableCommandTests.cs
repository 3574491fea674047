using Rosetta.Testing.Processes;
using Xunit;

namespace Rosetta.Cli.Tests.Running;

/// <summary>Tables paused and resumed, and resyncs that are waited for.</summary>
public sealed class TableCommandTests : IAsyncLifetime
{
    const string Path = "/api/v1/pipelines/7";

    readonly AnsweringApi _api = new AnsweringApi()
        .Answer("GET /api/v1/pipelines?limit=1000&offset=0", """{"items": [{"id": 7, "name": "shop"}], "total": 1}""")
        .Answer("GET /api/v1/destinations?limit=1000&offset=0", """{"items": [{"id": 3, "name": "warehouse"}], "total": 1}""");

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _api.DisposeAsync();

    [Theory]
    [InlineData("pause", "paused")]
    [InlineData("resume", "resumed")]
    public async Task Should_pause_and_resume_a_table_whatever_its_name(string verb, string done)
    {
        _api.Answer($"POST {Path}/destinations/3/tables/sales.odd%20%2F%22name%22/{verb}", """{"table": "sales.\"odd /\"\"name\"\"\"", "state": "PAUSED"}""", 202);
        var run = await ProgramRun.StartRosettaAsync(_api.Address, ["tables", verb, "shop", "warehouse", "sales.odd /\"name\""]);
        Assert.Equal((0, $"sales.odd /\"name\" at warehouse is {done}\n"), (run.ExitCode, run.Output));
        Assert.Single(_api.Asked, a => a.Call.StartsWith("POST ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Should_say_why_a_table_cannot_be_resumed()
    {
        _api.Answer($"POST {Path}/destinations/3/tables/orders/resume", """{"title": "Conflict", "status": 409, "detail": "Table public.orders is STREAMING: it is neither paused nor in ERROR."}""", 409, "application/problem+json");
        var run = await ProgramRun.RosettaAsync(_api.Address, "tables resume shop warehouse orders");
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("neither paused nor in ERROR", run.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("DONE", "null", "STREAMING", 0)]
    [InlineData("FAILED", "\"public.orders: it has no key.\"", "ERROR", 1)]
    [InlineData("DONE", "null", "ERROR", 1)]
    public async Task Should_wait_for_a_resync_and_tell_what_it_has_read_and_written(string status, string error, string state, int exitCode)
    {
        _api.Answer($"POST {Path}/resync", """{"id": 7, "name": "shop", "request_id": 21}""", 202)
            .Then($"GET {Path}/requests/21", """{"request_id": 21, "status": "PENDING", "error": null, "finished_at": null}""")
            .Then($"GET {Path}/requests/21", """{"request_id": 21, "status": "EXECUTING", "error": null, "finished_at": null}""")
            .Then($"GET {Path}/requests/21", $$"""{"request_id": 21, "status": "{{status}}", "error": {{error}}, "finished_at": "2026-01-01T00:00:00Z"}""")
            .Then($"GET {Path}", Pipeline("PAUSE", "RUNNING", Table("STREAMING", 5, 20, 5)))
            .Then($"GET {Path}", Pipeline("START", "RUNNING", Table("RESYNCING", 250_000, 21, 0)))
            // Told a moment later than the end.
            .Then($"GET {Path}", Pipeline("START", "RUNNING", Table("STREAMING", 5, 20, 5)))
            .Then($"GET {Path}", Pipeline("START", "RUNNING", Table(state, 1_000_000, 21, 1_234)));
        _api.Answer($"GET {Path}/requests/21", "").Answer($"GET {Path}", "");

        var run = await ProgramRun.RosettaAsync(_api.Address, "resync shop --yes --wait");

        Assert.Equal(exitCode, run.ExitCode);
        foreach (var part in (string[])["shop is paused", "1 under way or waiting: 250,000 of about 1,000,000 rows", "[odd] waits", error.Trim('"').Replace("null", "", StringComparison.Ordinal)])
            Assert.Contains(part, run.Errors, StringComparison.Ordinal);
        foreach (var part in (string[])["warehouse", "public.[odd]", state, "1,234", "77", "compared", "deleted"])
            Assert.Contains(part, run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("other", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_wait_for_the_resyncs_of_single_tables_at_every_destination()
    {
        _api.Answer($"POST {Path}/destinations/3/tables/orders/resync", """{"table": "public.orders", "state": "STREAMING", "request_id": 31}""", 202)
            .Answer($"GET {Path}/requests/31", """{"request_id": 31, "status": "DONE", "error": null, "finished_at": "2026-01-01T00:00:00Z"}""")
            .Answer($"GET {Path}", Pipeline("START", "RUNNING", Table("STREAMING", 10, 31, 4)));
        var run = await ProgramRun.RosettaAsync(_api.Address, "resync shop --table orders --yes --wait");
        Assert.True(run.ExitCode == 0, run.Errors);
        Assert.Contains("public.[odd]", run.Output, StringComparison.Ordinal);
        Assert.Contains("\"request_id\": 31", (await ProgramRun.RosettaAsync(_api.Address, "resync shop --table orders --yes --wait --json")).Output, StringComparison.Ordinal);
    }

    static string Pipeline(string status, string state, string table) =>
        $$$"""
        {"id": 7, "name": "shop", "source_id": 1, "status": "{{{status}}}", "runtime": {"state": "{{{state}}}"}, "destinations": [
          {"destination_id": 3, "name": "warehouse", "type": "POSTGRES", "health_status": "HEALTHY", "tables": [
            {{{table}}}, {"table": "public.other", "state": "STREAMING", "last_resync": {"request_id": 1, "rows_compared": 0, "rows_carried": 0, "inserted": 0, "updated": 0, "deleted": 0}}]}]}
        """;

    static string Table(string state, long rows, long request, long updated) =>
        $$$"""
        {"table": "public.[odd]", "state": "{{{state}}}", "snapshot_rows": {{{rows}}}, "snapshot_rows_estimated": 1000000, "snapshot_waits_for": {{{(state == "RESYNCING" ? "\"why\"" : "null")}}},
         "last_resync": {"request_id": {{{request}}}, "rows_compared": 1000000, "rows_carried": 77, "inserted": 3, "updated": {{{updated}}}, "deleted": 2}}
        """;
}
