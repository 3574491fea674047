using Rosetta.Testing.Processes;
using Xunit;

namespace Rosetta.Cli.Tests.Running;

public sealed class BackfillCommandTests : IAsyncLifetime
{
    const string Job =
        """
        {"id": 4, "table_name": "public.orders", "destination_ids": null, "filters": ["id > 5", {"column": "a", "operator": "IN", "value": [1]}], "status": "STATUS", "count_record": 1234,
         "total_record": 5000, "progress": 24.7, "rows_per_second": 100, "estimated_seconds_left": 37.7, "resume_attempts": 0, "error_message": null,
         "created_at": "2026-01-01T00:00:00Z", "started_at": null, "finished_at": null}
        """;

    readonly AnsweringApi _api = new AnsweringApi()
        .Answer("GET /api/v1/pipelines?limit=1000&offset=0", """{"items": [{"id": 7, "name": "shop"}], "total": 1}""")
        .Answer("GET /api/v1/destinations?limit=1000&offset=0", """{"items": [{"id": 3, "name": "warehouse"}], "total": 1}""");

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _api.DisposeAsync();

    static string With(string status) => Job.Replace("STATUS", status, StringComparison.Ordinal);

    [Fact]
    public async Task Should_start_a_backfill_with_filters_of_both_forms()
    {
        _api.Answer("POST /api/v1/pipelines/7/backfill", With("PENDING"), 202);
        var run = await ProgramRun.RosettaAsync(_api.Address, "backfill start shop public.orders --destination warehouse --batch-size 500 --filter ok=true --filter {\"column\":\"a\",\"operator\":\"IN\",\"value\":[1]}");
        Assert.Equal((0, "backfill 4 of public.orders: PENDING\n"), (run.ExitCode, run.Output));
        Assert.Equal(
            """{"table_name":"public.orders","destination_ids":[3],"batch_size":500,"filters":["ok=true",{"column":"a","operator":"IN","value":[1]}]}""", _api.Asked[^1].Body);
        var asked = _api.Asked.Count;
        Assert.Equal(1, (await ProgramRun.RosettaAsync(_api.Address, "backfill start 7 orders --filter {nonsense")).ExitCode);
        Assert.Equal(asked, _api.Asked.Count);
    }

    [Theory]
    [InlineData("COMPLETED", 0)]
    [InlineData("FAILED", 1)]
    [InlineData("CANCELLED", 1)]
    public async Task Should_tell_by_its_exit_code_how_a_job_ended_that_it_waited_for(string status, int exitCode)
    {
        _api.Answer("POST /api/v1/pipelines/7/backfill", With("PENDING"), 202).Answer("GET /api/v1/pipelines/7/backfill/4", With(status));
        var run = await ProgramRun.RosettaAsync(_api.Address, "backfill start 7 orders --wait");
        Assert.Equal(exitCode, run.ExitCode);
        Assert.Contains(status, run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_list_show_and_cancel_jobs()
    {
        _api.Answer("GET /api/v1/pipelines/7/backfill?limit=1000", $$"""{"items": [{{With("EXECUTING")}}], "total": 1}""")
            .Answer("GET /api/v1/pipelines/7/backfill/4", With("EXECUTING")).Answer("POST /api/v1/pipelines/7/backfill/4/cancel", With("CANCELLED"));
        foreach (var verb in (string[])["list shop", "show shop 4"])
        {
            var run = await ProgramRun.RosettaAsync(_api.Address, $"backfill {verb}");
            foreach (var part in (string[])["public.orders", "EXECUTING", "1,234", "5,000", "24.7", "id > 5 AND {"]) Assert.Contains(part, run.Output, StringComparison.Ordinal);
        }

        Assert.Equal("backfill 4 of public.orders: CANCELLED\n", (await ProgramRun.RosettaAsync(_api.Address, "backfill cancel shop 4")).Output);
    }
}
