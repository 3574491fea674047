using System.Diagnostics;
using System.Net.Sockets;
using Npgsql;
using Rosetta.Testing.Network;
using Rosetta.Testing.Servers;
using Rosetta.Testing.Waiting;
using Xunit;

namespace Rosetta.Testing.Tests.Network;

public sealed class TcpProxyTests : IAsyncLifetime
{
    readonly EchoServer _echo = new();
    readonly TcpProxy _proxy;

    public TcpProxyTests() => _proxy = TcpProxy.Start("127.0.0.1", _echo.Port);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _proxy.DisposeAsync();
        _echo.Dispose();
    }

    async Task<NetworkStream> ConnectAsync()
    {
        var client = new TcpClient();
        await client.ConnectAsync(_proxy.Host, _proxy.Port);
        return client.GetStream();
    }

    static async Task<byte[]> EchoAsync(NetworkStream stream, byte[] bytes)
    {
        var answer = new byte[bytes.Length];
        var reading = stream.ReadExactlyAsync(answer).AsTask();
        await stream.WriteAsync(bytes);
        await reading.WaitAsync(TimeSpan.FromSeconds(60));
        return answer;
    }

    static byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        new Random(1).NextBytes(bytes);
        return bytes;
    }

    [Fact]
    public async Task Should_forward_every_byte_unchanged_in_both_directions()
    {
        await using var stream = await ConnectAsync();
        var bytes = Bytes(5_000_000);
        Assert.Equal(bytes, await EchoAsync(stream, bytes));
        Assert.Equal(bytes.Length, _proxy.ToTarget.BytesForwarded);
        Assert.Equal(bytes.Length, _proxy.ToClient.BytesForwarded);
    }

    [Fact]
    public async Task Should_pass_on_a_half_close()
    {
        await using var stream = await ConnectAsync();
        await stream.WriteAsync(Bytes(10));
        stream.Socket.Shutdown(SocketShutdown.Send);
        using var rest = new MemoryStream();
        await stream.CopyToAsync(rest).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(Bytes(10), rest.ToArray());
        await Wait.UntilAsync(() => _proxy.OpenConnections == 0, "the connection to be forgotten");
    }

    [Fact]
    public async Task Should_reset_open_connections_when_cut_and_take_new_ones()
    {
        await using var stream = await ConnectAsync();
        await EchoAsync(stream, Bytes(10));
        Assert.Equal(1, _proxy.Cut());
        var error = await Assert.ThrowsAnyAsync<IOException>(() => stream.ReadExactlyAsync(new byte[1]).AsTask());
        Assert.Equal(SocketError.ConnectionReset, Assert.IsType<SocketException>(error.InnerException).SocketErrorCode);
        await using var second = await ConnectAsync();
        await EchoAsync(second, Bytes(10));
    }

    [Fact]
    public async Task Should_refuse_new_connections_and_keep_open_ones()
    {
        await using var stream = await ConnectAsync();
        await EchoAsync(stream, Bytes(10));
        _proxy.Refuse();
        var error = await Assert.ThrowsAsync<SocketException>(ConnectAsync);
        Assert.Equal(SocketError.ConnectionRefused, error.SocketErrorCode);
        await EchoAsync(stream, Bytes(10));
        _proxy.Accept();
        await using var second = await ConnectAsync();
        await EchoAsync(second, Bytes(10));
    }

    [Fact]
    public async Task Should_delay_each_direction_without_adding_delays_up()
    {
        await using var stream = await ConnectAsync();
        _proxy.Delay(TimeSpan.FromMilliseconds(200));
        var watch = Stopwatch.StartNew();
        await EchoAsync(stream, Bytes(6_000_000));
        // About a hundred pieces of 0.2 s each would take 20 s one after the other.
        Assert.InRange(watch.ElapsedMilliseconds, 395, 15_000);
        _proxy.Delay(TimeSpan.Zero);
    }

    [Fact]
    public async Task Should_hold_the_requested_rate()
    {
        await using var stream = await ConnectAsync();
        _proxy.ToTarget.BytesPerSecond = 100_000;
        var watch = Stopwatch.StartNew();
        await EchoAsync(stream, Bytes(100_000));
        Assert.InRange(watch.ElapsedMilliseconds, 900, 60_000);
    }

    [Fact]
    public async Task Should_end_a_slow_wait_when_the_rate_is_lifted()
    {
        await using var stream = await ConnectAsync();
        _proxy.ToTarget.BytesPerSecond = 1;
        var answer = EchoAsync(stream, Bytes(10_000));
        await Wait.UntilAsync(() => _proxy.ToTarget.BytesForwarded > 0, "the first byte");
        _proxy.Throttle(null);
        await answer;
    }

    [Fact]
    public async Task Should_forward_nothing_while_stalled_and_everything_afterwards()
    {
        await using var stream = await ConnectAsync();
        _proxy.Stall();
        var answer = EchoAsync(stream, Bytes(1_000));
        await Assert.ThrowsAsync<TimeoutException>(() => answer.WaitAsync(TimeSpan.FromMilliseconds(300)));
        Assert.Equal(0, _proxy.ToTarget.BytesForwarded);
        _proxy.Resume();
        Assert.Equal(Bytes(1_000), await answer);
    }

    [Fact]
    public async Task Should_take_only_a_bounded_amount_while_stalled()
    {
        await using var stream = await ConnectAsync();
        _proxy.ToTarget.Stall();
        var written = 0;
        using var stop = new CancellationTokenSource();
        var writing = Task.Run(async () =>
        {
            while (true)
            {
                await stream.WriteAsync(new byte[65_536], stop.Token);
                Interlocked.Add(ref written, 65_536);
            }
        });
        var before = -1;
        await Wait.UntilAsync(
            async () =>
            {
                before = Volatile.Read(ref written);
                await Task.Delay(200);
                return before == Volatile.Read(ref written) && before > 0;
            }, "the writer to be held back");
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writing);
        // 1 MB here, the rest in the kernel's socket buffers.
        Assert.InRange(before, 500_000, 30_000_000);
    }

    [Fact]
    public async Task Should_cut_after_a_number_of_bytes_once()
    {
        await using var stream = await ConnectAsync();
        _proxy.ToClient.CutAfter(100_000);
        await Assert.ThrowsAnyAsync<IOException>(() => EchoAsync(stream, Bytes(200_000)));
        Assert.Equal(100_000, _proxy.ToClient.BytesForwarded);
        await using var second = await ConnectAsync();
        await EchoAsync(second, Bytes(200_000));
    }

    [Fact]
    public async Task Should_reset_the_client_when_the_target_is_gone()
    {
        _echo.Dispose();
        // The reset may come before the client has even seen its connection.
        var error = await Record.ExceptionAsync(async () =>
        {
            await using var stream = await ConnectAsync();
            await stream.ReadExactlyAsync(new byte[1]);
        });
        var reset = Assert.IsType<SocketException>(error is IOException ? error.InnerException : error);
        Assert.Equal(SocketError.ConnectionReset, reset.SocketErrorCode);
    }

    [Fact]
    public async Task Should_carry_a_postgres_connection_and_cut_it_in_mid_query()
    {
        await using var server = await PostgresServer.StartAsync(new PostgresServerOptions { Name = "proxied" });
        await using var proxy = TcpProxy.Start(server.Host, server.Port);
        var through = new NpgsqlConnectionStringBuilder(server.ConnectionString()) { Port = proxy.Port };
        await using var connection = new NpgsqlConnection(through.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("SELECT pg_sleep(60)", connection);
        var running = command.ExecuteScalarAsync();
        await Wait.UntilAsync(
            async () => await server.ScalarAsync<long>("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'") == 1,
            "the query to run");
        proxy.Cut();
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => running.WaitAsync(TimeSpan.FromSeconds(30)));
    }
}
