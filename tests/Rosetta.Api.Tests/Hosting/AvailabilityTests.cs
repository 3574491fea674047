using System.Diagnostics;
using System.Net;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Api.Tests.Hosting;

public sealed class AvailabilityTests
{
    [Fact]
    public async Task Should_answer_503_before_the_config_database_is_there()
    {
        await using var api = await ApiHost.StartAsync($"Host=127.0.0.1;Port={FreePorts.Next()};Database=x;Username=x", open: false);

        foreach (var (method, path) in ((HttpMethod, string)[])[(HttpMethod.Get, "sources"), (HttpMethod.Post, "sources"), (HttpMethod.Get, "cluster"), (HttpMethod.Get, "nowhere")])
        {
            var answer = await api.SendAsync(method, path, null);
            Assert.Equal((503, "application/problem+json"), (answer.Status, answer.ContentType));
            Assert.NotNull(answer.RetryAfter);
        }

        Assert.Equal(200, (await api.GetAsync("/health/live")).Status);
        Assert.Equal(503, (await api.GetAsync("/health/ready")).Status);
        Assert.Equal(200, (await api.GetAsync("/openapi/v1.json")).Status);
    }

    [Fact]
    public async Task Should_answer_503_while_the_config_database_is_away_and_go_on_after_it()
    {
        await using var server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "api-away" });
        await using var api = await ApiHost.StartAsync(server.ConnectionString());
        Assert.Equal(200, (await api.GetAsync("sources")).Status);
        await Wait.UntilAsync(async () => (await api.GetAsync("/health/ready")).Status == 200, "the node is ready");

        await server.CrashAsync();
        var watch = Stopwatch.StartNew();
        var away = await api.GetAsync("pipelines");
        Assert.Equal((503, true), (away.Status, watch.Elapsed < TimeSpan.FromSeconds(15)));
        Assert.NotNull(away.RetryAfter);
        Assert.DoesNotContain(" at Rosetta", away.Text, StringComparison.Ordinal);
        Assert.Equal(503, (await api.PostAsync("sources", "garbage")).Status);
        Assert.Equal(503, (await api.GetAsync("/health/ready")).Status);
        Assert.Equal(200, (await api.GetAsync("/health/live")).Status);

        await server.StartAsync();
        Assert.Equal(200, (await api.GetAsync("pipelines")).Status);
        Assert.Equal(200, (await api.GetAsync("sources")).Status);
    }

    [Fact]
    public async Task Should_serve_health_alone_on_its_own_port_and_the_cluster_on_the_other()
    {
        await using var server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "api-health" });
        await using var api = await ApiHost.StartAsync(server.ConnectionString());
        using var live = await api.Health.GetAsync("/health/live");
        using var other = await api.Health.GetAsync("/api/v1/sources");

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.NotFound), (live.StatusCode, other.StatusCode));
        await Wait.UntilAsync(async () => (await api.GetAsync("cluster")).Json["members"]!.AsArray().Count == 1, "the node is a member");
        var cluster = (await api.GetAsync("cluster")).Json;
        var member = cluster["members"]![0]!;
        Assert.True((bool)member["self"]!);
        Assert.StartsWith("akka.tcp://", (string)member["node"]!, StringComparison.Ordinal);
        Assert.Equal(404, (await api.PostAsync("cluster/nonsense/leave")).Status);
        Assert.Equal("""{"items":[]}""", (await api.GetAsync("wal-metrics?hours=1")).Text);
        Assert.Equal(422, (await api.GetAsync("wal-metrics?hours=x")).Status);
    }
}
