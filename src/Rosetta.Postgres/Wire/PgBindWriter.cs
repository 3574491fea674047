using System.Buffers;

namespace Rosetta.Postgres.Wire;

/// <summary>
/// The parameters of a pipelined execution, written straight into the pipeline's send buffer: first to last, each by one of the methods, large ones
/// between <see cref="BeginParameter"/> and <see cref="EndParameter"/>. <see cref="Complete"/> ends it.
/// </summary>
public sealed class PgBindWriter : IBufferWriter<byte>
{
    const int None = -1;

    readonly WireWriter _writer;
    int _message;
    int _formats;
    int _count;
    int _written;
    int _parameter = None;
    bool _binaryResults;

    internal PgBindWriter(WireWriter writer) => _writer = writer;

    internal bool IsOpen { get; private set; }

    internal void Open(string statement, int parameterCount, bool binaryResults)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(parameterCount, ushort.MaxValue);
        _message = _writer.Begin(Frontend.Bind);
        _writer.WriteByte(0); // the unnamed portal
        _writer.WriteString(statement);
        _writer.WriteInt16((short)parameterCount);
        _formats = _writer.Length;
        for (int i = 0; i < parameterCount; i++)
            _writer.WriteInt16(1);
        _writer.WriteInt16((short)parameterCount);
        _count = parameterCount;
        _written = 0;
        _parameter = None;
        _binaryResults = binaryResults;
        IsOpen = true;
    }

    internal void Abandon() => IsOpen = false;

    public void WriteNull()
    {
        Next(isBinary: true);
        _writer.WriteInt32(-1);
    }

    /// <summary>A value in the type's binary form.</summary>
    public void WriteBinary(ReadOnlySpan<byte> value) => Write(value, isBinary: true);

    /// <summary>A value in text form, UTF-8.</summary>
    public void WriteText(ReadOnlySpan<byte> value) => Write(value, isBinary: false);

    public void WriteInt64(long value)
    {
        Next(isBinary: true);
        _writer.WriteInt32(8);
        _writer.WriteInt64(value);
    }

    public void WriteInt32(int value)
    {
        Next(isBinary: true);
        _writer.WriteInt32(4);
        _writer.WriteInt32(value);
    }

    public void Write(in PgParameter parameter)
    {
        if (parameter.IsNull)
            WriteNull();
        else
            Write(parameter.Value.Span, parameter.IsBinary);
    }

    /// <summary>Starts a parameter whose bytes follow through the buffer writer's methods.</summary>
    public void BeginParameter(bool isBinary = true)
    {
        Next(isBinary);
        _parameter = _writer.Length;
        _writer.WriteInt32(0);
    }

    /// <summary>Bytes of the parameter so far; a place in it for <see cref="PatchInt32"/>.</summary>
    public int ParameterLength => _writer.Length - _parameter - 4;

    /// <summary>Writes over four bytes of the parameter under way, for example an array's element count that is known only at its end.</summary>
    public void PatchInt32(int at, int value) => _writer.PatchInt32(_parameter + 4 + at, value);

    public void EndParameter()
    {
        if (_parameter == None)
            throw new InvalidOperationException("No parameter was begun.");
        _writer.PatchInt32(_parameter, ParameterLength);
        _parameter = None;
    }

    public void Advance(int count) => _writer.Advance(count);

    public Span<byte> GetSpan(int sizeHint = 0) => Open().GetSpan(sizeHint);

    public Memory<byte> GetMemory(int sizeHint = 0) => Open().GetMemory(sizeHint);

    /// <summary>Ends the parameters and queues the execution.</summary>
    /// <exception cref="InvalidOperationException">Parameters are missing.</exception>
    public void Complete()
    {
        if (!IsOpen || _written != _count || _parameter != None)
            throw new InvalidOperationException($"The statement takes {_count} parameters, {_written} were written.");
        _writer.WriteInt16(1);
        _writer.WriteInt16((short)(_binaryResults ? 1 : 0));
        _writer.End(_message);
        int execute = _writer.Begin(Frontend.Execute);
        _writer.WriteByte(0);
        _writer.WriteInt32(0);
        _writer.End(execute);
        IsOpen = false;
    }

    WireWriter Open() => _parameter != None ? _writer : throw new InvalidOperationException("BeginParameter comes first.");

    void Write(ReadOnlySpan<byte> value, bool isBinary)
    {
        Next(isBinary);
        _writer.WriteInt32(value.Length);
        _writer.Write(value);
    }

    void Next(bool isBinary)
    {
        if (!IsOpen || _written == _count || _parameter != None)
            throw new InvalidOperationException($"The statement takes {_count} parameters, one more was begun, or the one before is not ended.");
        if (!isBinary)
            _writer.PatchInt16(_formats + (2 * _written), 0);
        _written++;
    }
}
