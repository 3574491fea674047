using System.Runtime.CompilerServices;
using System.Text;
using DuckDB.NET.Native;

namespace Rosetta.Transforms.Engine;

/// <summary>A chunk of rows as DuckDB keeps it: flat vectors. Valid while it is being handed over.</summary>
readonly unsafe struct DuckChunk
{
    readonly DuckDBDataChunk _native;

    public DuckChunk(DuckDBDataChunk native)
    {
        _native = native;
        Rows = (int)NativeMethods.DataChunks.DuckDBDataChunkGetSize(native);
        Columns = (int)NativeMethods.DataChunks.DuckDBDataChunkGetColumnCount(native);
    }

    public int Rows { get; }

    public int Columns { get; }

    public DuckVector this[int column] => new(NativeMethods.DataChunks.DuckDBDataChunkGetVector(_native, column));

    /// <summary>A value of a VARCHAR column.</summary>
    public string? Text(int column, int row)
    {
        var vector = this[column];
        return vector.IsNull(row) ? null : Encoding.UTF8.GetString(vector.Bytes(row));
    }
}

/// <summary>One column of a chunk.</summary>
readonly unsafe struct DuckVector
{
    readonly void* _data;
    readonly ulong* _validity;

    public DuckVector(IntPtr native)
    {
        _data = NativeMethods.Vectors.DuckDBVectorGetData(native);
        _validity = NativeMethods.Vectors.DuckDBVectorGetValidity(native);
    }

    public bool IsNull(int row) => _validity != null && (_validity[row >> 6] & (1UL << (row & 63))) == 0;

    public T Value<T>(int row)
        where T : unmanaged => Unsafe.ReadUnaligned<T>((byte*)_data + ((long)row * sizeof(T)));

    // duckdb_string_t: length, then up to 12 bytes in place, or a prefix of four and a pointer.
    public ReadOnlySpan<byte> Bytes(int row)
    {
        const int inlined = 12;
        var entry = (byte*)_data + ((long)row * 16);
        var length = (int)*(uint*)entry;
        return length <= inlined ? new ReadOnlySpan<byte>(entry + 4, length) : new ReadOnlySpan<byte>(*(byte**)(entry + 8), length);
    }
}
