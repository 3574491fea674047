using System.Buffers.Binary;
using Rosetta.Core.Changes;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Replication;

/// <summary>
/// The reader of a replication stream: a plain loop that decodes what has arrived and hands it out in batches. At low load a transaction leaves at once, at
/// high load batches grow to their limits; a large transaction leaves in pieces. The source's keepalives move the batches' delivered position on, in order
/// with the changes; they and a timer of its own see to it that the source hears from us, whatever the consumer does.
/// </summary>
public sealed partial class ChangeStream : IAsyncDisposable
{
    const byte XLogData = (byte)'w';
    const byte Keepalive = (byte)'k';
    const int XLogDataHeader = 25;

    readonly PgCopyBoth _copy;
    readonly ChangeStreamOptions _options;
    readonly ReadPacing _pacing;
    readonly string _peer;
    readonly TimeProvider _time;
    readonly ChangeBatchBuilder _builder = new();
    readonly PgOutputDecoder _decoder;
    readonly long _backlogMicroseconds;

    Task? _pendingFill;
    ulong _receivedLsn;
    bool _hasFinished;
    bool _replyRequested;
    bool _isBehind;

    internal ChangeStream(
        PgCopyBoth copy, ChangeStreamOptions options, ReadPacing pacing, TimeSpan statusInterval, string peer, TimeProvider? time = null)
    {
        _copy = copy;
        _options = options;
        _pacing = pacing;
        _statusInterval = statusInterval;
        _peer = peer;
        _time = time ?? TimeProvider.System;
        _decoder = new PgOutputDecoder(_builder);
        _backlogMicroseconds = (long)pacing.Backlog.TotalMicroseconds;
    }

    /// <summary>How far the stream has been read; what was read need not have been handed out yet.</summary>
    public Lsn ReceivedLsn => new(Volatile.Read(ref _receivedLsn));

    /// <summary>The last transaction was sent noticeably later than it was committed.</summary>
    public bool IsBehind => Volatile.Read(ref _isBehind);

    /// <summary>Time between the status updates that are sent without being asked for.</summary>
    public TimeSpan StatusInterval => _statusInterval;

    /// <summary>
    /// Reads until it is cancelled or fails; it never returns otherwise. On cancellation the stream is ended in good order, so that the slot is free at
    /// once. An exception of the consumer goes through.
    /// </summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="PgServerException">The source ended the stream: a publication is missing, the walsender was terminated, WAL is gone.</exception>
    /// <exception cref="PgConnectionException">The connection was lost, or the source has been silent for too long.</exception>
    /// <exception cref="InvalidDataException">The source sent what is not pgoutput.</exception>
    public async Task RunAsync(IChangeConsumer consumer, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(consumer);
        using var cut = new CancellationTokenSource();
        using var finished = new CancellationTokenSource();
        // An idle source says nothing for a while: it is our request to end the stream that wakes the reader.
        await using CancellationTokenRegistration registration = cancellationToken.Register(() => BeginFarewellAsync(cut));
        Task beat = BeatAsync(cut, finished.Token);
        try
        {
            await ReadAsync(consumer, cut.Token, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await EndAsync(cut);
            throw;
        }
        catch (PgException e) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException("The replication stream was cancelled.", e, cancellationToken);
        }
        catch (OperationCanceledException e) when (IsSilent)
        {
            throw new PgConnectionException($"{_peer} has said nothing for {SilenceLimit.TotalSeconds:0} s, though it was asked to: it hangs, or the network drops its packets", e);
        }
        finally
        {
            await finished.CancelAsync();
            await beat;
        }
    }

    async Task ReadAsync(IChangeConsumer consumer, CancellationToken cut, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            bool isFull = Decode();
            if (_replyRequested)
                await ReplyAsync();
            if (isFull)
                await HandOutAsync(consumer, cancellationToken);
            else if (_copy.IsEnded && !cancellationToken.IsCancellationRequested)
                throw new PgConnectionException($"{_peer} ended the replication stream");
            else
                await FillAsync(consumer, cut, cancellationToken);
        }
    }

    /// <summary>Reads more. If nothing is there at the moment, what was gathered is handed out meanwhile.</summary>
    async ValueTask FillAsync(IChangeConsumer consumer, CancellationToken cut, CancellationToken cancellationToken)
    {
        if (_isBehind && _pacing.IsEnabled)
            await _copy.GatherAsync(_pacing.WakeBytes, _pacing.LongestWait);
        ValueTask fill = _copy.FillAsync(cut);
        if (fill.IsCompletedSuccessfully)
        {
            await fill;
            return;
        }

        BeginWaiting();
        Task pending = _pendingFill = fill.AsTask();
        if (_hasFinished || (!_builder.InTransaction && !_builder.IsEmpty))
        {
            // The rest of a small transaction is on its way: it is not cut in two for the sake of the ones before it.
            if (_builder.InTransaction)
                await pending.WaitAsync(_options.Patience, _time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!pending.IsCompleted)
                await HandOutAsync(consumer, cancellationToken);
        }

        await pending;
        _pendingFill = null;
        EndWaiting();
    }

    async ValueTask HandOutAsync(IChangeConsumer consumer, CancellationToken cancellationToken)
    {
        _hasFinished = false;
        ChangeBatch batch = _builder.Build();
        try
        {
            await consumer.ConsumeAsync(batch, cancellationToken);
        }
        finally
        {
            batch.Release();
        }
    }

    /// <summary>Decodes what is in the buffer. True if the batch is full, false if more bytes are needed first.</summary>
    bool Decode()
    {
        while (_copy.TryRead(out ReadOnlySpan<byte> message))
        {
            if (message[0] == XLogData)
                Take(message);
            else if (message[0] == Keepalive)
                TakeKeepalive(message);
            if (IsFull())
                return true;
            if (_replyRequested)
                return false;
        }

        return false;
    }

    // A group that ends inside a transaction keeps the destination's transaction open. Under a backlog of transactions of some hundred changes nearly every
    // full batch would, so a transaction that is no larger than a batch is not cut, and the batch that ends one which was cut ends with it.
    bool IsFull()
    {
        if (_builder.EndedEarlier)
            return true;
        int factor = _builder is { InTransaction: true, ContinuesEarlier: false } ? 2 : 1;
        return _builder.Length >= (long)_options.BatchBytes * factor || _builder.Count >= (long)_options.BatchChanges * factor;
    }

    /// <summary>XLogData: start, end, time of sending, then a message of pgoutput.</summary>
    void Take(ReadOnlySpan<byte> message)
    {
        _decoder.Decode(message[XLogDataHeader..]);
        Received(BinaryPrimitives.ReadUInt64BigEndian(message[1..]));
        _isBehind = BinaryPrimitives.ReadInt64BigEndian(message[17..]) - _decoder.LastCommitTime > _backlogMicroseconds;
        if (!_builder.InTransaction)
            _hasFinished = !_builder.IsEmpty;
    }

    /// <summary>
    /// Primary keepalive: end of the WAL that has been sent, time, and whether an answer is wanted. Outside of a transaction, all that committed before
    /// that end has been delivered.
    /// </summary>
    void TakeKeepalive(ReadOnlySpan<byte> message)
    {
        ulong end = BinaryPrimitives.ReadUInt64BigEndian(message[1..]);
        Received(end);
        _builder.Advance(new Lsn(end));
        _replyRequested |= message[17] != 0;
        if (!_builder.InTransaction)
        {
            _hasFinished = !_builder.IsEmpty;
            _isBehind = false;
        }
    }

    void Received(ulong lsn)
    {
        if (lsn > _receivedLsn)
            Volatile.Write(ref _receivedLsn, lsn);
    }

    /// <summary>Cuts the stream if it still runs.</summary>
    public async ValueTask DisposeAsync()
    {
        await _copy.DisposeAsync();
        if (_pendingFill is not { } pending)
            return;
        try
        {
            await pending;
        }
        catch (Exception e) when (e is PgException or OperationCanceledException)
        {
            // It was cut, that is what it says.
        }
    }
}
