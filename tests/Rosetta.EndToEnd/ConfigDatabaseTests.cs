using Rosetta.Client;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.EndToEnd;

/// <summary>The config database drives pipelines by plain SQL, and may be away.</summary>
public sealed class ConfigDatabaseTests
{
    [Fact]
    public async Task Should_start_and_pause_a_pipeline_by_plain_SQL()
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await installation.Source.ExecuteAsync("CREATE TABLE t (id int PRIMARY KEY)", Installation.Database);
        var node = await installation.StartNodeAsync();
        var pipeline = await installation.CreatePipelineAsync(node.Api, "it's a \"test\"; --", start: false);

        await installation.Config.ExecuteAsync("UPDATE pipelines SET status = 'START' WHERE name = 'it''s a \"test\"; --'", "rosetta");
        await WaitForStateAsync(node.Api, pipeline, "RUNNING");
        await installation.Config.ExecuteAsync("UPDATE pipelines SET status = 'PAUSE'", "rosetta");
        await WaitForStateAsync(node.Api, pipeline, "STOPPED");

        // With nobody listening, polling finds it.
        await installation.Config.KillBackendsAsync("application_name = 'rosetta listen'");
        await installation.Config.ExecuteAsync("UPDATE pipelines SET status = 'START'", "rosetta");
        await WaitForStateAsync(node.Api, pipeline, "RUNNING");
    }

    [Fact]
    public async Task Should_wait_for_a_config_database_that_is_away_at_start_and_go_on_without_it_in_mid_run()
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await using var followed = await Followed.StartAsync(installation, 300);
        await installation.Config.StopAsync();
        var node = await installation.StartNodeAsync(waitUntilReady: false);
        await node.Process.WaitForHttpAsync(new Uri(node.Address, "/health/live"), Installation.Patience);
        var refused = await Assert.ThrowsAsync<ApiException>(() => node.Api.GetAsync("pipelines"));
        Assert.Equal(503, refused.Status);
        await installation.Config.StartAsync();
        await node.Process.WaitForHttpAsync(new Uri(node.Address, "/health/ready"), Installation.Patience);
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);

        await installation.Config.StopAsync();
        await followed.Workload.WaitForChangesAsync(500, Installation.Patience);
        var before = await CountersAsync();
        await Wait.UntilAsync(async () => await CountersAsync() > before, "changes to arrive without the config database", Installation.Patience);
        await installation.Config.StartAsync();

        await followed.AssertEqualAsync(node.Api, pipeline);

        async Task<decimal> CountersAsync() =>
            await installation.Targets[0].ScalarAsync<decimal>("SELECT coalesce(sum(value), 0)::numeric FROM shop.counters", Installation.Database);
    }

    [Fact]
    public async Task Should_refuse_to_start_with_another_key()
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await installation.StartNodeAsync();
        var other = await installation.StartNodeAsync(
            new Dictionary<string, string?> { ["SECRET_KEY"] = "another key, also long enough" }, waitUntilReady: false);

        Assert.Equal(78, await other.Process.WaitForExitAsync(Installation.Patience));
        Assert.Contains("SECRET_KEY", other.Process.OutputTail(), StringComparison.Ordinal);
    }

    static Task WaitForStateAsync(ApiClient api, int pipeline, string state) => Wait.UntilAsync(
        async () => (await Installation.PipelineAsync(api, pipeline)).Runtime.State == state, $"the pipeline to be {state}", Installation.Patience);
}
