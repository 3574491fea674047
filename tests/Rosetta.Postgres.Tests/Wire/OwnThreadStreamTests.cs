using System.Net;
using System.Net.Sockets;
using Rosetta.Postgres.Wire;
using Xunit;

namespace Rosetta.Postgres.Tests.Wire;

/// <summary>A socket with a thread of its own: what comes is read, and every end of the connection is told by a read, never by the waiting before it.</summary>
public sealed class OwnThreadStreamTests
{
    static readonly TimeSpan Long = TimeSpan.FromMinutes(5);
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Should_end_the_gathering_when_enough_has_come()
    {
        await using var pair = await Pair.OpenAsync();
        var gathering = pair.Near.GatherAsync(5, Long);
        Assert.False(gathering.IsCompleted);
        await pair.Far.WriteAsync("hello"u8.ToArray());
        await gathering.AsTask().WaitAsync(Patience);
        var buffer = new byte[10];
        Assert.Equal(5, await pair.Near.ReadAsync(buffer));
    }

    [Fact]
    public async Task Should_end_the_gathering_when_the_time_is_over()
    {
        await using var pair = await Pair.OpenAsync();
        await pair.Near.GatherAsync(5, TimeSpan.FromMilliseconds(20)).AsTask().WaitAsync(Patience);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Should_tell_a_disposal_by_the_read_and_not_by_the_gathering(bool before)
    {
        await using var pair = await Pair.OpenAsync();
        if (before)
            await pair.Near.DisposeAsync();
        var gathering = pair.Near.GatherAsync(5, Long).AsTask();
        if (!before)
            await pair.Near.DisposeAsync();
        await gathering.WaitAsync(Patience);
        await Assert.ThrowsAnyAsync<Exception>(async () => _ = await pair.Near.ReadAsync(new byte[1]));
    }

    [Fact]
    public async Task Should_tell_a_reset_by_the_read_and_not_by_the_gathering()
    {
        await using var pair = await Pair.OpenAsync();
        var gathering = pair.Near.GatherAsync(5, TimeSpan.FromMilliseconds(200)).AsTask();
        pair.FarSocket.LingerState = new LingerOption(true, 0);
        pair.FarSocket.Dispose();
        await gathering.WaitAsync(Patience);
        await Assert.ThrowsAsync<SocketException>(async () => _ = await pair.Near.ReadAsync(new byte[1]).AsTask().WaitAsync(Patience));
    }

    [Fact]
    public async Task Should_end_the_connection_when_a_read_is_cancelled()
    {
        await using var pair = await Pair.OpenAsync();
        using var enough = new CancellationTokenSource();
        var reading = pair.Near.ReadAsync(new byte[1], enough.Token).AsTask();
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading.WaitAsync(Patience));
        Assert.Equal(0, await pair.Far.ReadAsync(new byte[1]).AsTask().WaitAsync(Patience));
    }

    sealed record Pair(OwnThreadStream Near, Socket FarSocket, NetworkStream Far) : IAsyncDisposable
    {
        public static async Task<Pair> OpenAsync()
        {
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            var near = await OwnThreadStream.ConnectAsync(
                new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp), listener.LocalEndpoint, CancellationToken.None);
            var far = await listener.AcceptSocketAsync();
            return new Pair(near, far, new NetworkStream(far));
        }

        public async ValueTask DisposeAsync()
        {
            await Near.DisposeAsync();
            await Far.DisposeAsync();
            FarSocket.Dispose();
        }
    }
}
