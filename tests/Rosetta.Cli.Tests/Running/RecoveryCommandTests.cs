using Rosetta.Testing.Processes;
using Xunit;

namespace Rosetta.Cli.Tests.Running;

public sealed class RecoveryCommandTests : IAsyncLifetime
{
    const string Path = "/api/v1/pipelines/7/destinations/3";

    const string Order =
        """
        {"recovery_id": "9", "kind": "KIND", "state": "STATE", "table": null, "error_class": null, "entry": "1A-3", "dry_run": true, "reason": null, "recovered": 1234, "failed": 0, "remaining": 0,
         "lost": 0, "discarded": 0, "waiting": null, "error": "[why]", "result": {"would_apply": true, "statement": "update", "row": {"v": "[1]"}, "error": null}}
        """;

    readonly AnsweringApi _api = new AnsweringApi()
        .Answer("GET /api/v1/pipelines?limit=1000&offset=0", """{"items": [{"id": 7, "name": "shop"}], "total": 1}""")
        .Answer("GET /api/v1/destinations?limit=1000&offset=0", """{"items": [{"id": 3, "name": "warehouse"}], "total": 1}""");

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _api.DisposeAsync();

    static string With(string kind, string state) => Order.Replace("KIND", kind, StringComparison.Ordinal).Replace("STATE", state, StringComparison.Ordinal);

    [Theory]
    [InlineData("COMPLETED", 0)]
    [InlineData("FAILED", 1)]
    [InlineData("CANCELLED", 1)]
    public async Task Should_tell_by_its_exit_code_how_a_recovery_ended(string state, int exitCode)
    {
        _api.Answer($"POST {Path}/recover-dlq", """{"recovery_id": "9"}""", 202).Answer($"GET {Path}/recover-dlq/9", With("RECOVER", state));
        var run = await ProgramRun.RosettaAsync(_api.Address, "dlq recover shop warehouse --table public.orders --error-class DATA --wait");
        Assert.Equal(exitCode, run.ExitCode);
        foreach (var part in (string[])["RECOVER", state, "1,234", "[why]"]) Assert.Contains(part, run.Output, StringComparison.Ordinal);
        Assert.Contains(_api.Asked, a => a.Body == """{"table":"public.orders","error_class":"DATA"}""");
        run = await ProgramRun.RosettaAsync(_api.Address, "dlq recover shop warehouse");
        Assert.Equal((0, "order 9 taken\n"), (run.ExitCode, run.Output));
    }

    [Fact]
    public async Task Should_send_other_values_and_show_what_they_would_do()
    {
        _api.Answer($"POST {Path}/dlq/1A-3/retry", """{"recovery_id": "9"}""", 202).Answer($"GET {Path}/recover-dlq/9", With("RETRY", "COMPLETED"));
        var run = await ProgramRun.RosettaAsync(_api.Address, "dlq retry shop warehouse 1A-3 --set v=a=b --set w= --set-null x --dry-run");
        Assert.Equal(0, run.ExitCode);
        foreach (var part in (string[])["would be applied", "update", "[1]"]) Assert.Contains(part, run.Output, StringComparison.Ordinal);
        Assert.Contains(_api.Asked, a => a.Body == """{"new":{"v":"a=b","w":"","x":null},"dry_run":true}""");
        Assert.Equal(0, (await ProgramRun.RosettaAsync(_api.Address, "dlq retry shop warehouse 1A-3")).ExitCode);
        Assert.Equal("{}", _api.Asked[^1].Body);
        Assert.Equal(1, (await ProgramRun.RosettaAsync(_api.Address, "dlq retry shop warehouse 1A-3 --set nonsense")).ExitCode);
    }

    [Fact]
    public async Task Should_discard_only_what_is_named_with_a_reason_and_after_it_was_asked()
    {
        _api.Answer($"POST {Path}/dlq/1A-3/discard", """{"recovery_id": "9"}""", 202).Answer($"POST {Path}/dlq/discard", """{"recovery_id": "9"}""", 202);
        foreach (var wrong in (string[])["1A-3 --yes", "1A-3 --reason why", "--reason why --yes", "1A-3 --table orders --reason why --yes"])
            Assert.NotEqual(0, (await ProgramRun.RosettaAsync(_api.Address, $"dlq discard shop warehouse {wrong}")).ExitCode);
        Assert.DoesNotContain(_api.Asked, a => a.Call.StartsWith("POST", StringComparison.Ordinal));
        Assert.Equal(0, (await ProgramRun.RosettaAsync(_api.Address, "dlq discard shop warehouse 1A-3 --reason why --yes")).ExitCode);
        Assert.Equal("""{"reason":"why"}""", _api.Asked[^1].Body);
        Assert.Equal(0, (await ProgramRun.RosettaAsync(_api.Address, "dlq discard shop warehouse --table orders --error-class DATA --reason why --yes")).ExitCode);
        Assert.Equal("""{"reason":"why","table":"orders","error_class":"DATA"}""", _api.Asked[^1].Body);
    }

    [Fact]
    public async Task Should_cancel_an_order()
    {
        _api.Answer($"POST {Path}/recover-dlq/9/cancel", With("RECOVER", "CANCELLED"));
        var run = await ProgramRun.RosettaAsync(_api.Address, "dlq cancel shop warehouse 9");
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("CANCELLED", run.Output, StringComparison.Ordinal);
    }
}
