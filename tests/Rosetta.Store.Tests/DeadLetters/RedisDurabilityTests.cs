using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Store.DeadLetters;
using Rosetta.Store.Runtime;
using Rosetta.Testing.Processes;
using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Store.Tests.DeadLetters;

/// <summary>Redises that may not be the only copy of a change, and what they are told.</summary>
[Collection(nameof(StoreCollection))]
public sealed class RedisDurabilityTests(StoreFixture fixture)
{
    public static TheoryData<bool, string, string, string> Weak => new()
    {
        { false, "appendonly", "no", "CONFIG SET appendonly yes" },
        { true, "appendfsync", "everysec", "CONFIG SET appendfsync always" },
        { true, "no-appendfsync-on-rewrite", "yes", "CONFIG SET no-appendfsync-on-rewrite no" },
        { true, "maxmemory", "100mb maxmemory-policy allkeys-lru", "CONFIG SET maxmemory-policy noeviction" },
    };

    [Theory]
    [MemberData(nameof(Weak))]
    public async Task Should_refuse_one_that_may_lose_entries_with_the_setting_that_mends_it(bool durable, string name, string value, string remedy)
    {
        var words = $"{name} {value}".Split(' ');
        await using var server = await RedisServer.StartAsync(new RedisServerOptions
        {
            Durable = durable, Settings = words.Chunk(2).ToDictionary(pair => pair[0], pair => pair[1])
        });
        await using var config = await fixture.NewStoreAsync();
        await using var store = NewStore(config, Url(server));
        var (queue, epoch) = await NewQueueAsync(config);
        await store.OpenAsync(queue, epoch, CancellationToken.None);

        var fault = (await store.CheckAsync(CancellationToken.None))!;

        Assert.Equal(ErrorClass.Operator, fault.Class);
        Assert.Contains(remedy, fault.Remedy, StringComparison.Ordinal);
        var error = await Assert.ThrowsAsync<DeadLetterStoreException>(() => AppendAsync(store, queue, epoch, 1, 10));
        Assert.Equal(fault, error.Fault);

        // Word by word what it says, but for the file, which a server without permission to write its settings does not have.
        foreach (var command in fault.Remedy!.Split(';', StringSplitOptions.TrimEntries).Select(c => c.Replace("In Redis: ", "", StringComparison.Ordinal)).Where(c => c.StartsWith("CONFIG SET", StringComparison.Ordinal)))
            await CommandAsync(server, command.Split(' '));
        Assert.Null(await store.CheckAsync(CancellationToken.None));
        await AppendAsync(store, queue, epoch, 1, 10);
        Assert.Single(await store.ReadAsync(queue, null, null, 10, CancellationToken.None));
    }

    [Fact]
    public async Task Should_say_that_redis_is_full_and_take_entries_when_there_is_room()
    {
        await using var server = await RedisServer.StartAsync(new RedisServerOptions
        {
            Durable = true, Settings = new Dictionary<string, string> { ["maxmemory"] = "8mb", ["maxmemory-policy"] = "noeviction" }
        });
        await using var config = await fixture.NewStoreAsync();
        await using var store = NewStore(config, Url(server));
        var (queue, epoch) = await NewQueueAsync(config);
        await store.OpenAsync(queue, epoch, CancellationToken.None);
        var kept = 0;
        DeadLetterStoreException? full = null;
        while (full is null && kept < 100)
        {
            try
            {
                await AppendAsync(store, queue, epoch, kept, 500_000);
                kept++;
            }
            catch (DeadLetterStoreException e)
            {
                full = e;
            }
        }

        Assert.Equal(ErrorClass.Operator, full!.Fault.Class);
        Assert.Contains("maxmemory", full.Fault.Remedy, StringComparison.Ordinal);
        // Nothing went, and what goes out makes room.
        Assert.Equal(kept, (await store.ReadAsync(queue, null, null, 1000, CancellationToken.None)).Count);
        // For the next incarnation too, which Redis cannot even note while it is full.
        epoch = (await new EpochRepository(config.Database).IssueAsync(queue.PipelineId, null, CancellationToken.None))!.Value;
        await store.RemoveAsync(queue, epoch, Letters.Table, [.. Enumerable.Range(0, kept - 1).Select(i => Letters.At(i))], CancellationToken.None);
        await AppendAsync(store, queue, epoch, kept, 500_000);
        Assert.Equal([Letters.At(kept - 1), Letters.At(kept)], (await store.ReadAsync(queue, null, null, 10, CancellationToken.None)).Select(l => l.At));
    }

    [Fact]
    public async Task Should_take_note_that_nothing_is_left_of_an_append_that_failed()
    {
        await using var server = await RedisServer.StartAsync(new RedisServerOptions { Durable = true });
        await using var config = await fixture.NewStoreAsync();
        await using var store = NewStore(config, Url(server));
        var (queue, epoch) = await NewQueueAsync(config);
        await store.OpenAsync(queue, epoch, CancellationToken.None);
        await CommandAsync(server, "CONFIG", "SET", "maxmemory", "1");
        await Assert.ThrowsAsync<DeadLetterStoreException>(() => AppendAsync(store, queue, epoch, 1, 10));
        Assert.Equal(1, await MarkedAsync());

        // Also while it is full: whoever never has to park anything again may choose another store.
        await store.NoteIfEmptyAsync(queue, epoch, CancellationToken.None);
        Assert.Equal(0, await MarkedAsync());
        await CommandAsync(server, "CONFIG", "SET", "maxmemory", "0");
        await AppendAsync(store, queue, epoch, 1, 10);
        await store.NoteIfEmptyAsync(queue, epoch, CancellationToken.None);
        Assert.Equal(1, await MarkedAsync());

        Task<long> MarkedAsync() => config.ScalarAsync<long>("SELECT count(*) FROM dead_letter_queues");
    }

    [Fact]
    public async Task Should_say_what_a_forbidden_config_and_a_wrong_password_need()
    {
        await using var server = await RedisServer.StartAsync(new RedisServerOptions { Durable = true, Password = "adm1n" });
        await CommandAsync(server, "--no-auth-warning", "-a", "adm1n", "ACL", "SETUSER", "rosetta", "on", ">s3cret", "~*", "+@all", "-config");
        await using var config = await fixture.NewStoreAsync();
        await using var store = NewStore(config, $"redis://rosetta:s3cret@{server.Host}:{server.Port}");
        await using var stranger = NewStore(config, $"redis://rosetta:wrong-word@{server.Host}:{server.Port}");

        var hidden = (await store.CheckAsync(CancellationToken.None))!;
        Assert.Equal(ErrorClass.Operator, hidden.Class);
        Assert.Contains("+config|get", hidden.Remedy, StringComparison.Ordinal);
        var refused = (await stranger.CheckAsync(CancellationToken.None))!;
        Assert.Equal(ErrorClass.Operator, refused.Class);
        Assert.Contains("REDIS_URL", refused.Remedy, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong-word", refused.ToString(), StringComparison.Ordinal);

        await CommandAsync(server, "--no-auth-warning", "-a", "adm1n", "ACL", "SETUSER", "rosetta", "+config|get");
        Assert.Null(await store.CheckAsync(CancellationToken.None));
    }

    [Fact]
    public async Task Should_refuse_a_replica()
    {
        await using var primary = await RedisServer.StartAsync(new RedisServerOptions { Name = "primary", Durable = true });
        await using var replica = await RedisServer.StartAsync(new RedisServerOptions
        {
            Name = "replica", Durable = true, Settings = new Dictionary<string, string> { ["replicaof"] = $"127.0.0.1 {primary.Port}" }
        });
        await using var config = await fixture.NewStoreAsync();
        await using var store = NewStore(config, Url(replica));

        var fault = (await store.CheckAsync(CancellationToken.None))!;

        Assert.Contains("primary", fault.Remedy, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("redis://127.0.0.1:6379", true)]
    [InlineData("rediss://user:p%40ss@[::1]:6380/3", true)]
    [InlineData("redis.example:6379,password=x,ssl=true", true)]
    [InlineData("http://127.0.0.1:6379", false)]
    [InlineData("redis://127.0.0.1:6379/secret-db", false)]
    [InlineData("redis://", false)]
    [InlineData("one:1,two:2", false)]
    [InlineData("one:1,nonsense=secret", false)]
    public void Should_read_a_url_or_say_what_is_expected(string url, bool isOne)
    {
        var settings = DeadLetterSettings.Default with { RedisUrl = url };
        var error = Record.Exception(settings.Validate);
        Assert.Equal(isOne, error is null);
        if (error is null) return;
        Assert.Contains("REDIS_URL", Assert.IsType<DeadLetterSettingException>(error).Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }

    static string Url(RedisServer server) => $"redis://{server.Host}:{server.Port}";

    static IDeadLetterStore NewStore(StoreUnderTest config, string url) =>
        DeadLetterStores.Create(DeadLetterSettings.Default with { RedisUrl = url }, new ConfigStore(config.Database, config.Installation));

    static async Task<(DeadLetterQueue Queue, long Epoch)> NewQueueAsync(StoreUnderTest config)
    {
        var pipeline = await config.AddPipelineAsync();
        var epoch = await new EpochRepository(config.Database).IssueAsync(pipeline.Id, null, CancellationToken.None);
        return (new DeadLetterQueue(pipeline.Source.Id, pipeline.Id, pipeline.Destinations[0].Destination.Id, Guid.NewGuid()), epoch!.Value);
    }

    static Task AppendAsync(IDeadLetterStore store, DeadLetterQueue queue, long epoch, int number, int bytes) =>
        store.AppendAsync(queue, epoch, [Letters.Of(number, bytes)], CancellationToken.None);

    static Task<string> CommandAsync(RedisServer server, params string[] words) => Command.RunAsync("redis-cli", ["-e", "-p", $"{server.Port}", .. words]);
}
