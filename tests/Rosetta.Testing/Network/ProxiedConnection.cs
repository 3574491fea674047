using System.Buffers;
using System.Diagnostics;
using System.Net.Sockets;
using System.Threading.Channels;

namespace Rosetta.Testing.Network;

/// <summary>One client connection and its counterpart to the target: two pumps, each a reader and a writer with a bounded queue.</summary>
#pragma warning disable CA1001 // a token source without timer or wait handle holds nothing; disposing it would race with Cut
sealed class ProxiedConnection(Socket client, Socket target, TrafficShape toTarget, TrafficShape toClient)
#pragma warning restore CA1001
{
    const int ChunkBytes = 64 * 1024;
    const int ChunksUnderWay = 16;

    // With a rate, data goes out in slices of a twentieth of a second.
    const int SlicesPerSecond = 20;

    readonly CancellationTokenSource _cut = new();

    readonly record struct Chunk(byte[] Buffer, int Length, long ReadAt);

    /// <summary>Runs until both sides have closed, or one failed, or it was cut.</summary>
    public async Task RunAsync()
    {
        try
        {
            await Task.WhenAll(PumpAsync(client, target, toTarget), PumpAsync(target, client, toClient));
        }
        finally
        {
            Cut();
        }
    }

    /// <summary>Resets both sides (RST): what was under way is lost.</summary>
    public void Cut()
    {
        _cut.Cancel();
        Reset(client);
        Reset(target);
    }

    async Task PumpAsync(Socket from, Socket to, TrafficShape shape)
    {
        var queue = Channel.CreateBounded<Chunk>(
            new BoundedChannelOptions(ChunksUnderWay) { SingleReader = true, SingleWriter = true });
        try
        {
            await Task.WhenAll(ReadAsync(from, queue.Writer), WriteAsync(to, queue.Reader, shape));
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // A reset or vanished side is what a proxy is for: the other side is to see the same.
            Cut();
        }
    }

    async Task ReadAsync(Socket from, ChannelWriter<Chunk> queue)
    {
        try
        {
            while (true)
            {
                var buffer = ArrayPool<byte>.Shared.Rent(ChunkBytes);
                var length = await from.ReceiveAsync(buffer, _cut.Token);
                if (length == 0)
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                    return;
                }
                await queue.WriteAsync(new Chunk(buffer, length, Stopwatch.GetTimestamp()), _cut.Token);
            }
        }
        catch (SocketException)
        {
            // The writer of this pump may be waiting for a delay or a stalled direction: end it now.
            Cut();
            throw;
        }
        finally
        {
            queue.Complete();
        }
    }

    async Task WriteAsync(Socket to, ChannelReader<Chunk> queue, TrafficShape shape)
    {
        await foreach (var chunk in queue.ReadAllAsync(_cut.Token))
        {
            await DelayAsync(chunk.ReadAt, shape);
            for (var sent = 0; sent < chunk.Length;)
            {
                await shape.Flowing.WaitAsync(_cut.Token);
                var slice = chunk.Length - sent;
                var rate = shape.BytesPerSecond;
                if (rate is not null)
                    slice = (int)Math.Min(slice, Math.Max(1, rate.Value / SlicesPerSecond));
                var (admitted, cut) = shape.Admit(slice);
                await SendAsync(to, chunk.Buffer.AsMemory(sent, admitted));
                if (cut)
                {
                    Cut();
                    return;
                }
                sent += admitted;
                if (rate is not null)
                    await PauseAsync(TimeSpan.FromSeconds((double)admitted / rate.Value), shape);
            }
            ArrayPool<byte>.Shared.Return(chunk.Buffer);
        }
        to.Shutdown(SocketShutdown.Send);
    }

    async Task SendAsync(Socket to, ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
            bytes = bytes[await to.SendAsync(bytes, _cut.Token)..];
    }

    async Task DelayAsync(long readAt, TrafficShape shape)
    {
        while (true)
        {
            var changed = shape.Changed;
            var left = shape.Delay - Stopwatch.GetElapsedTime(readAt);
            if (left <= TimeSpan.Zero)
                return;
            await Task.WhenAny(Task.Delay(left, _cut.Token), changed);
            _cut.Token.ThrowIfCancellationRequested();
        }
    }

    async Task PauseAsync(TimeSpan pause, TrafficShape shape)
    {
        await Task.WhenAny(Task.Delay(pause, _cut.Token), shape.Changed);
        _cut.Token.ThrowIfCancellationRequested();
    }

    static void Reset(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Closed already, by its peer or by the other pump.
        }
        socket.Dispose();
    }
}
