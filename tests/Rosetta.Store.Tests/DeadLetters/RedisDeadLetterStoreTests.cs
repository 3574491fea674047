using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Store.DeadLetters;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Store.Tests.DeadLetters;

/// <summary>Servers for these tests alone: they kill the Redis.</summary>
public sealed class RedisDeadLetterFixture : IAsyncLifetime
{
    public PostgresServer Config { get; private set; } = null!;

    public RedisServer Redis { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Config = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "letters" });
        Redis = await RedisServer.StartAsync(new RedisServerOptions { Name = "letters", Durable = true });
    }

    public async Task DisposeAsync()
    {
        await Redis.DisposeAsync();
        await Config.DisposeAsync();
    }
}

public sealed class RedisDeadLetterStoreTests(RedisDeadLetterFixture fixture) : DeadLetterStoreContract, IClassFixture<RedisDeadLetterFixture>
{
    readonly string _prefix = $"test{Guid.NewGuid():N}:dlq";

    protected override async Task OpenStoreAsync()
    {
        var name = $"letters_{Guid.NewGuid():N}";
        await fixture.Config.CreateDatabaseAsync(name);
        Config = await StoreUnderTest.OpenAsync(
            StoreUnderTest.Patient($"Host={fixture.Config.Host};Port={fixture.Config.Port};Database={name};Username=postgres"));
        Store = NewStore(fixture.Redis);
    }

    protected override Task KillServerAsync() => fixture.Redis.KillAsync();

    protected override Task StartServerAsync() => fixture.Redis.StartAsync();

    protected override async Task AssertNothingElseIsKeptAsync(int count)
    {
        var kept = 0;
        foreach (var table in new[] { Orders, Odd })
            kept += int.Parse(await CommandAsync("XLEN", $"{_prefix}:{Queue.SourceId}:{table}:{Queue.DestinationId}"), System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(count, kept);
    }

    [Fact]
    public async Task Should_write_a_thousand_entries_of_two_tables_by_one_script()
    {
        await Store.AppendAsync(Queue, Epoch, [Letter(1)], None);
        await CommandAsync("CONFIG", "RESETSTAT");

        await Store.AppendAsync(Queue, Epoch, [.. Enumerable.Range(2, 1_000).Select(i => Letter((ulong)i, table: i % 2 == 0 ? Odd : Orders))], None);
        await Store.RemoveAsync(Queue, Epoch, Orders, [.. Enumerable.Range(2, 1_000).Select(i => At((ulong)i))], None);

        Assert.Contains("cmdstat_eval:calls=2,", await CommandAsync("INFO", "commandstats"), StringComparison.Ordinal);
        Assert.Equal(501, (await Store.ReadAsync(Queue, null, null, 2_000, None)).Count);
    }

    [Fact]
    public async Task Should_name_streams_by_source_table_and_destination_and_say_in_each_entry_whose_it_is()
    {
        await Store.AppendAsync(Queue, Epoch, [Letter(0x16_B374_D848, 7)], None);
        var stream = $"{_prefix}:{Queue.SourceId}:public.orders:{Queue.DestinationId}";

        var entry = await CommandAsync("XRANGE", stream, "-", "+");

        Assert.Contains($"pipeline_id\n{Queue.PipelineId}\ngeneration\n{Queue.Generation}\nposition\n00000016B374D8480000000000000007\nkind\nUPDATE", entry, StringComparison.Ordinal);
        Assert.Contains("name\nrecovery\n", await CommandAsync("XINFO", "GROUPS", stream), StringComparison.Ordinal);
        await Store.RemoveAsync(Queue, Epoch, Orders, [At(0x16_B374_D848, 7)], None);
        Assert.Equal("0", (await CommandAsync("XLEN", stream)).Trim());
        var left = (await CommandAsync("KEYS", $"{_prefix}:queue:*")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal([$"{_prefix}:queue:{Queue.PipelineId}:{Queue.DestinationId}:{Queue.Generation:N}"], left);
    }

    [Fact]
    public async Task Should_take_no_entry_out_of_the_hands_of_a_consumer_that_read_it_until_it_is_removed()
    {
        await Store.AppendAsync(Queue, Epoch, [Letter(1), Letter(2)], None);
        var stream = $"{_prefix}:{Queue.SourceId}:public.orders:{Queue.DestinationId}";
        await CommandAsync("XREADGROUP", "GROUP", "recovery", "somebody", "STREAMS", stream, ">");

        await Store.RemoveAsync(Queue, Epoch, Orders, [At(1)], None);

        AssertSame([Letter(2)], await Store.ReadAsync(Queue, null, null, 10, None));
        Assert.Equal("1", (await CommandAsync("XPENDING", stream, "recovery")).Split('\n')[0]);
    }

    [Fact]
    public async Task Should_tell_a_store_that_was_emptied_from_an_empty_queue()
    {
        await Store.AppendAsync(Queue, Epoch, [Letter(1)], None);
        await EmptyAsync();

        foreach (var call in Calls())
        {
            var error = await Assert.ThrowsAsync<DeadLetterStoreException>(call);
            Assert.Equal(ErrorClass.Operator, error.Fault.Class);
            Assert.Contains("was emptied", error.Fault.Reason, StringComparison.Ordinal);
        }

        Assert.Contains("DELETE FROM dead_letter_store", (await Store.CheckAsync(None))!.Remedy, StringComparison.Ordinal);
        await using (var restarted = NewStore(fixture.Redis))
            Assert.Contains("was emptied", (await restarted.CheckAsync(None))!.Reason, StringComparison.Ordinal);

        // As its remedy says.
        await Config.ExecuteAsync("DELETE FROM dead_letter_store");
        Assert.Empty(await Store.ReadAsync(Queue, null, null, 10, None));
        await Store.AppendAsync(Queue, Epoch, [Letter(2)], None);
        await EmptyAsync();
        await Assert.ThrowsAsync<DeadLetterStoreException>(() => Store.ReadAsync(Queue, null, null, 10, None));
    }

    [Fact]
    public async Task Should_not_mind_being_emptied_while_it_has_no_entries()
    {
        await EmptyAsync();
        Assert.Empty(await Store.ReadAsync(Queue, null, null, 10, None));
        await Store.AppendAsync(Queue, Epoch, [Letter(1)], None);
        await Store.RemoveAsync(Queue, Epoch, Orders, [At(1)], None);
        await EmptyAsync();

        await Store.AppendAsync(Queue, Epoch, [Letter(2)], None);

        AssertSame([Letter(2)], await Store.ReadAsync(Queue, null, null, 10, None));
    }

    [Fact]
    public async Task Should_say_that_entries_were_deleted_behind_its_back()
    {
        await Store.AppendAsync(Queue, Epoch, [Letter(1)], None);
        await CommandAsync("DEL", $"{_prefix}:{Queue.SourceId}:public.orders:{Queue.DestinationId}");

        var error = await Assert.ThrowsAsync<DeadLetterStoreException>(() => Store.ReadAsync(Queue, null, null, 10, None));

        Assert.Contains("deleted", error.Fault.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_refuse_another_redis_and_the_config_database_while_it_has_entries()
    {
        await Store.AppendAsync(Queue, Epoch, [Letter(1)], None);
        await using var otherServer = await RedisServer.StartAsync(new RedisServerOptions { Name = "other", Durable = true });
        await using var other = NewStore(otherServer);
        await using var config = NewConfigStore();

        foreach (var store in new[] { other, config })
        {
            var fault = (await store.CheckAsync(None))!;
            Assert.Equal(ErrorClass.Operator, fault.Class);
            Assert.Contains("REDIS_URL", fault.Remedy, StringComparison.Ordinal);
            Assert.Contains($"127.0.0.1:{fixture.Redis.Port}", fault.Reason + fault.Remedy, StringComparison.Ordinal);
            await Assert.ThrowsAsync<DeadLetterStoreException>(() => store.OpenAsync(Queue, Epoch, None));
        }

        Assert.Null(await Store.CheckAsync(None));
        await Store.RemoveAsync(Queue, Epoch, Orders, [At(1)], None);

        // One after the other, now that nothing would be left behind; and each knows when it is its turn no more.
        Assert.Null(await config.CheckAsync(None));
        Assert.Null(await other.CheckAsync(None));
        await other.OpenAsync(Queue, Epoch, None);
        await other.AppendAsync(Queue, Epoch, [Letter(2)], None);
        var error = await Assert.ThrowsAsync<DeadLetterStoreException>(() => Store.AppendAsync(Queue, Epoch, [Letter(3)], None));
        Assert.Contains($"127.0.0.1:{otherServer.Port}", error.Fault.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Should_refuse_redis_while_the_config_database_has_entries()
    {
        await using var config = NewConfigStore();
        await config.OpenAsync(Queue, Epoch, None);
        await config.AppendAsync(Queue, Epoch, [Letter(1)], None);

        var fault = (await Store.CheckAsync(None))!;

        Assert.Contains("Take REDIS_URL out", fault.Remedy, StringComparison.Ordinal);
        await Assert.ThrowsAsync<DeadLetterStoreException>(() => Store.AppendAsync(Queue, Epoch, [Letter(2)], None));
        await config.RemoveAsync(Queue, Epoch, Orders, [At(1)], None);
        Assert.Null(await Store.CheckAsync(None));
    }

    IDeadLetterStore NewStore(RedisServer server) => DeadLetterStores.Create(
        DeadLetterSettings.Default with { RedisUrl = $"redis://{server.Host}:{server.Port}/2", KeyPrefix = _prefix }, new ConfigStore(Config.Database, Config.Installation));

    IDeadLetterStore NewConfigStore() => DeadLetterStores.Create(DeadLetterSettings.Default, new ConfigStore(Config.Database, Config.Installation));

    Task<string> EmptyAsync() => CommandAsync("FLUSHALL");

    Task<string> CommandAsync(params string[] words) =>
        Command.RunAsync("redis-cli", ["-p", $"{fixture.Redis.Port}", "-n", "2", .. words]);
}
