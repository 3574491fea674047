using Rosetta.Testing.Processes;
using Xunit;

namespace Rosetta.Cli.Tests.Running;

public sealed class VerifyCommandTests : IAsyncLifetime
{
    readonly AnsweringApi _api = new AnsweringApi()
        .Answer("GET /api/v1/pipelines?limit=1000&offset=0", """{"items": [{"id": 7, "name": "shop"}], "total": 1}""")
        .Answer("POST /api/v1/pipelines/7/verify", """{"run_id": 9}""", 202);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _api.DisposeAsync();

    [Theory]
    [InlineData("DIFFERENT", "false", 1)]
    [InlineData("NOT_COMPARED", "false", 1)]
    [InlineData("EQUAL", "true", 0)]
    [InlineData("REPAIRED", "true", 0)]
    public async Task Should_tell_by_its_exit_code_whether_something_differs(string state, string equal, int exitCode)
    {
        _api.Answer(
            "GET /api/v1/pipelines/7/verify/9",
            $$"""
            {"run_id": 9, "status": "COMPLETED", "repair": true, "equal": {{equal}}, "error": null, "tables": [
              {"destination_id": 3, "table": "public.orders", "state": "{{state}}", "rows_compared": 1234, "rows_total": 1234, "rows_carried": 18, "ranges": 3, "differing": 5, "missing": 6, "extra": 7,
               "keys": [{"kind": "different", "key": {"id": 4711}, "columns": ["n", "[odd]"]}], "as_of_lsn": "0/1A", "error": "[why]"}]}
            """);
        var run = await ProgramRun.RosettaAsync(_api.Address, "verify shop --repair --wait --table orders");
        Assert.Equal(exitCode, run.ExitCode);
        foreach (var part in (string[])["public.orders", state, "1,234", "0/1A", "[why]", "{\"id\": 4711}", "n, [odd]", "the first 1 of 18"]) Assert.Contains(part, run.Output, StringComparison.Ordinal);
        Assert.Contains(_api.Asked, a => a.Body == """{"tables":["orders"],"repair":true}""");
        Assert.Equal(exitCode, (await ProgramRun.RosettaAsync(_api.Address, "verify shop --run 9")).ExitCode);
    }

    [Fact]
    public async Task Should_show_what_a_resync_would_do_and_ask_before_it_does_it()
    {
        _api.Answer("POST /api/v1/pipelines/7/resync?dry_run=true", """{"run_id": 9}""", 202).Answer("POST /api/v1/pipelines/7/resync", "{}", 202).Answer(
            "GET /api/v1/pipelines/7/verify/9",
            """
            {"run_id": 9, "status": "COMPLETED", "repair": false, "equal": false, "error": null, "tables": [
              {"destination_id": 3, "table": "public.orders", "state": "DIFFERENT", "rows_compared": 1234, "rows_total": 1234, "rows_carried": 1, "ranges": 1, "differing": 0, "missing": 0,
               "extra": 1, "keys": [{"kind": "extra", "key": {"id": 1}, "columns": []}], "as_of_lsn": "0/1A", "error": null}]}
            """);
        var shown = await ProgramRun.RosettaAsync(_api.Address, "resync shop --dry-run");
        Assert.Equal(0, shown.ExitCode);
        foreach (var part in (string[])["insert", "delete", "deleted", "{\"id\": 1}"]) Assert.Contains(part, shown.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(_api.Asked, a => a.Call == "POST /api/v1/pipelines/7/resync");
        Assert.NotEqual(0, (await ProgramRun.RosettaAsync(_api.Address, "resync shop")).ExitCode);
        Assert.DoesNotContain(_api.Asked, a => a.Call == "POST /api/v1/pipelines/7/resync");
        Assert.Equal(0, (await ProgramRun.RosettaAsync(_api.Address, "resync shop --yes")).ExitCode);
        Assert.Contains(_api.Asked, a => a.Call == "POST /api/v1/pipelines/7/resync");
    }

    [Fact]
    public async Task Should_not_wait_unless_told()
    {
        var run = await ProgramRun.RosettaAsync(_api.Address, "verify shop");
        Assert.Equal((0, "verify 9 begun; 'rosetta verify shop --run 9' shows it\n"), (run.ExitCode, run.Output));
    }
}
