using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Threading.Tasks.Sources;

namespace Rosetta.Postgres.Wire;

/// <summary>
/// A socket's stream with a thread of its own for the waiting, and only blocking calls. The runtime's asynchronous sockets stay registered with epoll, so
/// that every packet that arrives wakes a thread of theirs, whether somebody waits for it or not; a walsender sends a packet per row, and pays for the
/// wake-up in its send(). Here nobody is woken while a reader lets data gather (<see cref="GatherAsync"/>).
/// One reader; continuations of a read run on the thread. Writing blocks, and is meant for small messages.
/// </summary>
sealed class OwnThreadStream : Stream, IValueTaskSource<int>, IValueTaskSource
{
    static readonly TimeSpan Step = TimeSpan.FromMilliseconds(1);

    readonly Socket _socket;
    readonly object _gate = new();
    ManualResetValueTaskSourceCore<int> _done;
    Order _order;
    Memory<byte> _target;
    int _wanted;
    TimeSpan _longest;
    CancellationToken _cancellation;
    volatile bool _isDisposed;

    enum Order
    {
        None,
        Read,
        Gather,
    }

    OwnThreadStream(Socket socket)
    {
        _socket = socket;
        new Thread(Run) { IsBackground = true, Name = "stream reader" }.Start();
    }

    /// <summary>Connects the socket, which has not been used yet, by a blocking call on a thread that may be blocked.</summary>
    /// <exception cref="SocketException">Nobody answers there.</exception>
    public static async Task<OwnThreadStream> ConnectAsync(Socket socket, EndPoint peer, CancellationToken cancellationToken)
    {
        Task connecting = Task.Factory.StartNew(() => socket.Connect(peer), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            await connecting.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // The socket is disposed of by who made it, which ends the call; how it ends is of no interest any more.
            _ = connecting.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            throw;
        }

        return new OwnThreadStream(socket);
    }

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    /// <summary>
    /// Waits until so many bytes have come, the time is over, or the connection ends; a read follows. It never fails: what happened to the connection is
    /// told by that read.
    /// </summary>
    public ValueTask GatherAsync(int bytes, TimeSpan longest) =>
        _isDisposed ? ValueTask.CompletedTask : new ValueTask(this, Give(Order.Gather, default, bytes, longest, CancellationToken.None));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<int>(cancellationToken);
        try
        {
            if (_socket.Available > 0)
                return new ValueTask<int>(_socket.Receive(buffer.Span));
        }
        catch (SocketException e)
        {
            return ValueTask.FromException<int>(e);
        }

        return new ValueTask<int>(this, Give(Order.Read, buffer, 0, default, cancellationToken));
    }

    /// <returns>The version of the task source that the thread completes.</returns>
    short Give(Order order, Memory<byte> target, int wanted, TimeSpan longest, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            // The thread takes a gathering also from a disposed stream, and ends it at once.
            ObjectDisposedException.ThrowIf(_isDisposed && order == Order.Read, this);
            if (_order != Order.None)
                throw new InvalidOperationException("A read of this stream is under way.");
            _done.Reset();
            (_order, _target, _wanted, _longest, _cancellation) = (order, target, wanted, longest, cancellationToken);
            Monitor.Pulse(_gate);
            return _done.Version;
        }
    }

    void Run()
    {
        while (Take() is var order and not Order.None)
        {
            int result;
            try
            {
                // A read that is cancelled ends the connection: that is what wakes the blocked call.
                using CancellationTokenRegistration cancelled = _cancellation.UnsafeRegister(static s => ((OwnThreadStream)s!).Cut(), this);
                result = order == Order.Read ? _socket.Receive(_target.Span) : Gather();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                Finish(_cancellation.IsCancellationRequested ? new OperationCanceledException(e.Message, e, _cancellation) : e);
                continue;
            }

            if (_cancellation.IsCancellationRequested)
                Finish(new OperationCanceledException(_cancellation));
            else
                Finish(result);
        }
    }

    Order Take()
    {
        lock (_gate)
        {
            while (_order == Order.None && !_isDisposed)
                Monitor.Wait(_gate);
            return _order;
        }
    }

    // Until enough is there or nothing more comes: a window that is full of small packets holds fewer bytes than its size.
    int Gather()
    {
        long start = Stopwatch.GetTimestamp();
        int before = 0;
        int now;
        while ((now = Waiting()) < _wanted && (now == 0 || now != before) && Stopwatch.GetElapsedTime(start) < _longest && !_isDisposed)
        {
            before = now;
            Thread.Sleep(Step);
        }

        return 0;
    }

    // Bytes that have come and were not read; a broken connection counts as one that has enough.
    int Waiting()
    {
        try
        {
            return _socket.Available;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return int.MaxValue;
        }
    }

    // The order is free before the continuation runs, which gives the next one.
    void Finish(int result)
    {
        Clear();
        _done.SetResult(result);
    }

    void Finish(Exception error)
    {
        Clear();
        _done.SetException(error);
    }

    void Clear()
    {
        lock (_gate)
            (_order, _target) = (Order.None, default);
    }

    void Cut()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It is not connected any more, which is what was wanted.
        }
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled(cancellationToken);
        try
        {
            Write(buffer.Span);
            return ValueTask.CompletedTask;
        }
        catch (SocketException e)
        {
            return ValueTask.FromException(e);
        }
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
            buffer = buffer[_socket.Send(buffer)..];
    }

    public override int Read(Span<byte> buffer) => _socket.Receive(buffer);

    protected override void Dispose(bool disposing)
    {
        lock (_gate)
        {
            _isDisposed = true;
            Monitor.Pulse(_gate);
        }

        Cut();
        _socket.Dispose();
        base.Dispose(disposing);
    }

    int IValueTaskSource<int>.GetResult(short token) => _done.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _done.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _done.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource.GetResult(short token) => _done.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _done.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _done.OnCompleted(continuation, state, token, flags);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
