using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Store.DeadLetters;
using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Store.Tests.DeadLetters;

/// <summary>A server for these tests alone: they kill it.</summary>
public sealed class ConfigDeadLetterFixture : IAsyncLifetime
{
    public PostgresServer Server { get; private set; } = null!;

    public async Task InitializeAsync() => Server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "letters" });

    public async Task DisposeAsync() => await Server.DisposeAsync();
}

public sealed class ConfigDeadLetterStoreTests(ConfigDeadLetterFixture fixture) : DeadLetterStoreContract, IClassFixture<ConfigDeadLetterFixture>
{
    protected override async Task OpenStoreAsync()
    {
        var name = $"letters_{Guid.NewGuid():N}";
        await fixture.Server.CreateDatabaseAsync(name);
        // With a pool, as a node has it; the kit's own connection strings have none.
        Config = await StoreUnderTest.OpenAsync(
            StoreUnderTest.Patient($"Host={fixture.Server.Host};Port={fixture.Server.Port};Database={name};Username=postgres"));
        Store = new ConfigDeadLetterStore(Config.Database, new StoreRecord(Config.Database, Config.Installation.Uuid));
    }

    protected override Task KillServerAsync() => fixture.Server.KillAsync();

    protected override Task StartServerAsync() => fixture.Server.StartAsync();

    protected override async Task AssertNothingElseIsKeptAsync(int count) =>
        Assert.Equal(count, await Config.ScalarAsync<long>("SELECT count(*) FROM dead_letters"));

    [Fact]
    public async Task Should_be_durable_on_a_server_that_answers_before_it_flushes()
    {
        await Config.ExecuteAsync("ALTER ROLE postgres SET synchronous_commit = off");
        try
        {
            await Config.ExecuteAsync(
                """
                CREATE TABLE seen (value text);
                CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
                CREATE CONSTRAINT TRIGGER see AFTER INSERT OR UPDATE OR DELETE ON dead_letters DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION see();
                """);
            Config.Database.DataSource.Clear();
            Assert.Equal("off", await Config.ScalarAsync<string>("SHOW synchronous_commit"));

            await Store.AppendAsync(Queue, Epoch, [Letter(1)], None);
            await Store.RecordTriesAsync(Queue, Epoch, [new DeadLetterTry(Orders, At(1), Refused, Now)], None);
            await Store.RemoveAsync(Queue, Epoch, Orders, [At(1)], None);

            // Deferred, so it is what the commit went by.
            Assert.Equal("3 on", await Config.ScalarAsync<string>("SELECT count(*) || ' ' || min(value) FROM seen"));
            Assert.Equal("off", await Config.ScalarAsync<string>("SHOW synchronous_commit"));
        }
        finally
        {
            await Config.ExecuteAsync("ALTER ROLE postgres RESET synchronous_commit");
        }
    }

    [Fact]
    public async Task Should_say_that_the_disk_is_full_and_take_entries_when_there_is_room()
    {
        await using var disk = await SmallDisk.MountAsync(fixture.Server, (await Config.ScalarAsync<string>("SELECT current_database()"))!, "dead_letters");
        await Store.AppendAsync(Queue, Epoch, [Letter(1)], None);

        var error = await Assert.ThrowsAsync<DeadLetterStoreException>(
            () => Store.AppendAsync(Queue, Epoch, [.. Enumerable.Range(2, 30).Select(i => Letter((ulong)i) with { Payload = Noise(1 << 20, i) })], None));

        Assert.Equal((ErrorClass.Operator, "53100"), (error.Fault.Class, error.Fault.SqlState));
        Assert.Contains("Make room", error.Fault.Remedy, StringComparison.Ordinal);
        AssertSame([Letter(1)], await Store.ReadAsync(Queue, null, null, 10, None));

        await disk.GrowAsync();
        var large = Letter(2) with { Payload = Noise(1 << 20, 2) };
        await Store.AppendAsync(Queue, Epoch, [Letter(1), large], None);
        AssertSame([Letter(1), large], await Store.ReadAsync(Queue, null, null, 10, None));
    }

    [Fact]
    public async Task Should_refuse_an_epoch_as_soon_as_a_newer_one_is_issued()
    {
        await Store.AppendAsync(Queue, Epoch, [Letter(1)], None);
        await IssueAsync(Queue.PipelineId);

        await Assert.ThrowsAsync<FencedException>(() => Store.AppendAsync(Queue, Epoch, [Letter(2)], None));

        AssertSame([Letter(1)], await Store.ReadAsync(Queue, null, null, 10, None));
    }

    [Fact]
    public async Task Should_write_any_number_of_entries_in_one_transaction()
    {
        var before = await TransactionsAsync();

        await Store.AppendAsync(Queue, Epoch, [.. Enumerable.Range(1, 1_000).Select(i => Letter((ulong)i))], None);

        Assert.Equal(1_000, (await Store.ReadAsync(Queue, null, null, 2_000, None)).Count);
        Assert.Equal(1, await TransactionsAsync() - before);
    }

    /// <summary>Transactions that wrote dead letters.</summary>
    Task<long> TransactionsAsync() => Config.ScalarAsync<long>("SELECT count(DISTINCT xmin::text) FROM dead_letters");
}
