using System.Net;
using System.Net.Sockets;
using Rosetta.Core.Destinations;
using Rosetta.Postgres.Destination;
using Rosetta.Testing.Servers;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>What parking costs in round trips, counted on the way to the server.</summary>
[Collection(DestinationServerCollection.Name)]
public sealed class ParkingRoundTripTests(DestinationServer server) : ParkingStage(server)
{
    readonly PostgresServer _server = server.Server;

    [Theory]
    // A thousand among others; a thousand behind one.
    [InlineData("SELECT 1", "UPDATE bad SET v = CASE WHEN id % 10 = 0 THEN 100000 ELSE 1 END", 1_000, 600)]
    [InlineData("UPDATE bad SET v = 100000 WHERE id = 1", "DO $$ BEGIN FOR i IN 1..1000 LOOP UPDATE bad SET v = i WHERE id = 1; END LOOP; END $$", 1_000, 30)]
    public async Task Should_park_a_thousand_changes_in_far_fewer_round_trips(string first, string change, int parked, int most)
    {
        await using var replica = await StartAsync(Tables.Replace("generate_series(1, 1000)", "generate_series(1, 10000)", StringComparison.Ordinal));
        await replica.SourceAsync(first);
        await replica.SyncWithStopsAsync();
        var before = Parked.All.Count;
        await replica.Session.DisposeAsync();
        using var counter = new TurnCounter(_server.Port);
        var destination = new PostgresDestination(replica.Endpoint(replica.Target) with { Host = "127.0.0.1", Port = counter.Port });
        await using var session = await destination.OpenAsync(replica.Opening with { Epoch = 2 }, default);
        session.Route(replica.Routes);
        await replica.SourceAsync(change);
        using var batches = await replica.ReadAsync();
        var turns = -counter.Turns;
        var result = await session.ApplyAsync(new ApplyGroup(batches.List), default);
        turns += counter.Turns;
        Assert.Empty(result.Stops);
        Assert.Equal(parked, result.Parked);
        Assert.True(turns < most, $"{turns} round trips");
        Assert.Equal(before + parked, await replica.TargetScalarAsync<long>("SELECT count(*) FROM rosetta.parked"));
    }

    /// <summary>Passes bytes on, and counts how often the client spoke after the server had.</summary>
    sealed class TurnCounter : IDisposable
    {
        readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        readonly CancellationTokenSource _stop = new();
        readonly int _target;
        int _turns;
        int _serverSpoke;

        public TurnCounter(int target)
        {
            _target = target;
            _listener.Start();
            _ = AcceptAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public int Turns => Volatile.Read(ref _turns);

        async Task AcceptAsync()
        {
            try
            {
                while (!_stop.IsCancellationRequested)
                    _ = PassAsync(await _listener.AcceptTcpClientAsync(_stop.Token));
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                // Disposed.
            }
        }

        async Task PassAsync(TcpClient client)
        {
            using var server = new TcpClient { NoDelay = true };
            using (client)
            {
                client.NoDelay = true;
                await server.ConnectAsync(IPAddress.Loopback, _target, _stop.Token);
                var up = CopyAsync(client.GetStream(), server.GetStream(), () =>
                {
                    if (Interlocked.Exchange(ref _serverSpoke, 0) == 1)
                        Interlocked.Increment(ref _turns);
                });
                var down = CopyAsync(server.GetStream(), client.GetStream(), () => Volatile.Write(ref _serverSpoke, 1));
                await Task.WhenAny(up, down);
            }
        }

        async Task CopyAsync(NetworkStream from, NetworkStream to, Action passed)
        {
            var buffer = new byte[1 << 20];
            try
            {
                while (await from.ReadAsync(buffer, _stop.Token) is > 0 and var length)
                {
                    passed();
                    await to.WriteAsync(buffer.AsMemory(0, length), _stop.Token);
                }
            }
            catch (Exception e) when (e is OperationCanceledException or IOException or ObjectDisposedException)
            {
                // One side has gone.
            }
        }

        public void Dispose()
        {
            _stop.Cancel();
            _listener.Dispose();
        }
    }
}
