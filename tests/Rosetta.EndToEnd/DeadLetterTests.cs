using System.Globalization;
using System.Text.RegularExpressions;
using Rosetta.Client;
using Rosetta.Client.Answers;
using Rosetta.EndToEnd.Stage;
using Rosetta.Testing.Equality;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using StackExchange.Redis;
using Xunit;

namespace Rosetta.EndToEnd;

/// <summary>What an operator sees of changes that a destination refuses.</summary>
public sealed class DeadLetterTests
{
    const string Schema = "CREATE TABLE orders (id int PRIMARY KEY, amount numeric(10, 2), note text); INSERT INTO orders SELECT i, i, 'n' FROM generate_series(1, 100) i";

    static readonly Dictionary<string, string?> Often = new() { ["DLQ_CHECK_INTERVAL"] = "1" };

    [Fact]
    public async Task Should_show_what_is_parked_until_it_comes_back_by_itself_and_notify_what_has_waited_for_long()
    {
        await using var installation = await Installation.StartAsync(targets: 2);
        await installation.Source.ExecuteAsync(Schema, Installation.Database);
        var node = await installation.StartNodeAsync(new Dictionary<string, string?>(Often) { ["ROSETTA__PIPELINES__RECOVERYMAXAGE"] = "00:00:02" });
        var pipeline = await installation.CreatePipelineAsync(node.Api);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        var bad = installation.Targets[1];
        await bad.ExecuteAsync("ALTER TABLE orders ADD CONSTRAINT positive CHECK (amount > 0)", Installation.Database);
        await installation.Source.ExecuteAsync(
            "UPDATE orders SET amount = -amount WHERE id IN (3, 4); UPDATE orders SET note = 'later' WHERE id = 3; INSERT INTO orders VALUES (101, 1, 'fine')", Installation.Database);

        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);
        await UntilCountAsync(node.Api, pipeline, 3);
        var (good, refusing) = ((await Installation.DestinationIdsAsync(node.Api, pipeline))[0], (await Installation.DestinationIdsAsync(node.Api, pipeline))[1]);
        var path = $"pipelines/{pipeline}/destinations/{refusing}/dlq";
        Assert.Equal(3, (await node.Api.GetAsync($"{path}/count")).As<DeadLetterCount>().Tables["public.orders"]);
        Assert.Equal(0, (await node.Api.GetAsync($"pipelines/{pipeline}/destinations/{good}/dlq/count")).As<DeadLetterCount>().Count);
        var letters = (await node.Api.GetAsync(path)).As<DeadLetters>().Items;
        Assert.Equal([("UPDATE", "3", "-3.00", "FAILED"), ("UPDATE", "4", "-4.00", "FAILED"), ("UPDATE", "3", "-3.00", "WAITING")], letters.Select(l => (l.Operation, l.Key[0], l.New!["amount"]!, l.State)));
        var detail = (await node.Api.GetAsync($"{path}/{letters[0].Id}")).As<DeadLetterDetail>();
        Assert.Equal(("3.00", "n", null), (detail.Current!["amount"], detail.Current["note"], detail.CurrentProblem));
        Assert.Contains("positive", detail.Entry.Error, StringComparison.Ordinal);
        await Wait.UntilAsync(async () => await MetricAsync(node, "rosetta_dead_letters_changes|rosetta_dead_letters") >= 3, "the gauge to show them", Installation.Patience);
        await Wait.UntilAsync(async () => await MetricAsync(node, "rosetta_dead_letters_oldest_seconds") > 0, "the age to be shown", Installation.Patience);
        await Wait.UntilAsync(
            async () => (await node.Api.GetAsync("notifications")).Text.Contains("dead-letters-old", StringComparison.Ordinal), "the old ones to be told of", Installation.Patience);

        await bad.ExecuteAsync("ALTER TABLE orders DROP CONSTRAINT positive", Installation.Database);
        await UntilCountAsync(node.Api, pipeline, 0);
        Assert.Equal(3, await MetricAsync(node, "rosetta_dead_letters_recovered_total|rosetta_dead_letters_recovered_changes_total"));
        for (var i = 0; i < 2; i++)
        {
            var compared = await DatabaseComparison.CompareAsync(installation.SourceConnection, installation.TargetConnection(i), [TablePair.Same("public", "orders")]);
            Assert.True(compared.Equal, compared.ToString());
        }
    }

    [Fact]
    public async Task Should_say_before_it_is_needed_that_a_Redis_may_lose_what_is_put_into_it_and_what_mends_it()
    {
        await using var installation = await Installation.StartAsync(targets: 1);
        await using var redis = await RedisServer.StartAsync(new RedisServerOptions { Name = "weak" });
        await installation.Source.ExecuteAsync(Schema, Installation.Database);
        var node = await installation.StartNodeAsync(new Dictionary<string, string?>(Often) { ["REDIS_URL"] = $"redis://{redis.Host}:{redis.Port}" });
        var pipeline = await installation.CreatePipelineAsync(node.Api);

        var shown = await Wait.ForAsync(
            async () => await Installation.PipelineAsync(node.Api, pipeline) is { Runtime.State: "DEGRADED" } p ? p : null, "the weak store to be shown", Installation.Patience);
        Assert.Contains("cannot be parked", shown.Destinations[0].LastError, StringComparison.Ordinal);
        Assert.Contains("CONFIG SET appendonly yes", shown.Destinations[0].Remedy, StringComparison.Ordinal);
        // What is not refused goes on.
        await installation.Source.ExecuteAsync("INSERT INTO orders VALUES (101, 1, 'fine')", Installation.Database);
        await installation.WaitUntilCaughtUpAsync(node.Api, pipeline);

        await using (var connection = await ConnectionMultiplexer.ConnectAsync(redis.ConnectionString))
        {
            var server = connection.GetServer(redis.Host, redis.Port);
            await server.ConfigSetAsync("appendonly", "yes");
            await server.ConfigSetAsync("appendfsync", "always");
        }

        await Wait.UntilAsync(
            async () => await Installation.PipelineAsync(node.Api, pipeline) is { Runtime.State: "RUNNING" } p && p.Destinations[0].LastError is null, "the mended store to be seen", Installation.Patience);
        await installation.Targets[0].ExecuteAsync("ALTER TABLE orders ADD CONSTRAINT positive CHECK (amount > 0)", Installation.Database);
        await installation.Source.ExecuteAsync("UPDATE orders SET amount = -1 WHERE id = 3", Installation.Database);
        await UntilCountAsync(node.Api, pipeline, 1);
    }

    static Task UntilCountAsync(ApiClient api, int pipeline, long count) => Wait.UntilAsync(
        async () => (await Installation.PipelineAsync(api, pipeline)).Destinations[^1].DlqCount == count, $"{count} dead letters to be shown", Installation.Patience);

    /// <summary>The largest value of a metric, over its labels; -1 when it is not there.</summary>
    static async Task<double> MetricAsync(NodeProcess node, string names)
    {
        using var http = new HttpClient { BaseAddress = node.HealthAddress };
        var found = Regex.Matches(await http.GetStringAsync("/metrics"), $$"""^(?:{{names}})\{[^}]*\} (\S+)""", RegexOptions.Multiline);
        return found.Select(m => double.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture)).DefaultIfEmpty(-1).Max();
    }
}
