using System.Buffers;

namespace Rosetta.Postgres.Wire;

/// <summary>
/// Packs a stream of bytes into CopyData messages of about 64 KB: large enough that their heads cost nothing, small enough that the server's
/// message buffer stays small. PostgreSQL does not care where rows begin.
/// </summary>
sealed class CopyFrames(WireWriter writer) : IBufferWriter<byte>
{
    const int FrameBytes = 64 * 1024;
    const int Closed = -1;

    int _mark = Closed;

    /// <summary>True while a frame is begun and not closed; its length is not written yet, so it must not be sent.</summary>
    public bool IsOpen => _mark != Closed;

    public void Advance(int count) => writer.Advance(count);

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Prepare(sizeHint);
        return writer.GetSpan(sizeHint);
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Prepare(sizeHint);
        return writer.GetMemory(sizeHint);
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            Prepare(1);
            int piece = Math.Min(bytes.Length, FrameBytes - FrameLength);
            writer.Write(bytes[..piece]);
            bytes = bytes[piece..];
        }
    }

    /// <summary>Closes the frame that is open, if any.</summary>
    public void Close()
    {
        if (_mark == Closed)
            return;
        writer.End(_mark);
        _mark = Closed;
    }

    /// <summary>Forgets an open frame whose bytes are thrown away.</summary>
    public void Reset() => _mark = Closed;

    int FrameLength => writer.Length - _mark - 4;

    void Prepare(int size)
    {
        if (_mark != Closed && FrameLength > 0 && FrameLength + size > FrameBytes)
            Close();
        if (_mark == Closed)
            _mark = writer.Begin(Frontend.CopyData);
    }
}
