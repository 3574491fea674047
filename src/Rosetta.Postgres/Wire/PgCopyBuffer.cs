using System.Buffers;

namespace Rosetta.Postgres.Wire;

/// <summary>
/// The data of a pipelined COPY ... FROM STDIN: written straight into the pipeline's send buffer, in frames of the protocol.
/// <see cref="Complete"/> ends it; nothing else can be queued before.
/// </summary>
public sealed class PgCopyBuffer : IBufferWriter<byte>
{
    readonly WireWriter _writer;
    readonly CopyFrames _frames;

    internal PgCopyBuffer(WireWriter writer)
    {
        _writer = writer;
        _frames = new CopyFrames(writer);
    }

    internal bool IsOpen { get; private set; }

    internal void Open() => IsOpen = true;

    internal void Abandon()
    {
        IsOpen = false;
        _frames.Reset();
    }

    public void Advance(int count) => _frames.Advance(count);

    public Span<byte> GetSpan(int sizeHint = 0) => Frames().GetSpan(sizeHint);

    public Memory<byte> GetMemory(int sizeHint = 0) => Frames().GetMemory(sizeHint);

    /// <summary>Appends bytes; they need not be whole rows.</summary>
    public void Write(ReadOnlySpan<byte> bytes) => Frames().Write(bytes);

    /// <summary>Ends the data.</summary>
    public void Complete()
    {
        Frames().Close();
        _writer.Empty(Frontend.CopyDone);
        IsOpen = false;
    }

    CopyFrames Frames() => IsOpen ? _frames : throw new InvalidOperationException("This COPY is not open: BeginCopyIn starts one, Complete ends it.");
}
