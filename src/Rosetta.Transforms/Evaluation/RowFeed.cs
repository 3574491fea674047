using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using DuckDB.NET.Native;
using Rosetta.Transforms.Compilation;
using Rosetta.Transforms.Engine;
using Rosetta.Transforms.Types;

namespace Rosetta.Transforms.Evaluation;

/// <summary>
/// Gives DuckDB the rows of a <see cref="RowSet"/> as a table function: a chunk at a time, PostgreSQL's bytes decoded straight into DuckDB's vectors.
/// Nothing is stored in DuckDB and nothing has to be deleted afterwards.
/// </summary>
sealed unsafe class RowFeed
{
    /// <summary>An interrupt is heard between chunks, and what functions make of a chunk is in memory at once: so chunks stay small.</summary>
    const int ChunkRows = 512;

    const int ChunkBytes = 128 * 1024;

    readonly CompiledTransform _transform;
    RowSet _rows = new(0);
    int _next;
    int _from;
    int _until;

    RowFeed(CompiledTransform transform) => _transform = transform;

    /// <summary>The row that could not be decoded in the last run, -1 when there was none, and why.</summary>
    public (int Row, string Reason) Failure { get; private set; } = (-1, "");

    public static RowFeed Register(DuckConnection connection, CompiledTransform transform, string function)
    {
        var feed = new RowFeed(transform);
        var native = NativeMethods.TableFunction.DuckDBCreateTableFunction();
        try
        {
            NativeMethods.TableFunction.DuckDBTableFunctionSetName(native, function);
            NativeMethods.TableFunction.DuckDBTableFunctionSetExtraInfo(native, GCHandle.ToIntPtr(GCHandle.Alloc(feed)), &Free);
            NativeMethods.TableFunction.DuckDBTableFunctionSetBind(native, &Bind);
            NativeMethods.TableFunction.DuckDBTableFunctionSetInit(native, &Init);
            NativeMethods.TableFunction.DuckDBTableFunctionSetFunction(native, &Fill);
            if (NativeMethods.TableFunction.DuckDBRegisterTableFunction(connection.Native, native) != DuckDBState.Success)
                throw new DuckException("DuckDB did not take the function that feeds it.");
        }
        finally
        {
            NativeMethods.TableFunction.DuckDBDestroyTableFunction(ref native);
        }

        return feed;
    }

    /// <summary>The rows of the next run.</summary>
    public void Set(RowSet rows, int from, int until)
    {
        (_rows, _from, _until) = (rows, from, until);
        Failure = (-1, "");
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static void Free(IntPtr handle) => GCHandle.FromIntPtr(handle).Free();

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static void Bind(IntPtr info)
    {
        try
        {
            var transform = Of(NativeMethods.TableFunction.DuckDBBindGetExtraInfo(info))._transform;
            using (var number = NativeMethods.LogicalType.DuckDBCreateLogicalType(DuckDBType.BigInt))
                NativeMethods.TableFunction.DuckDBBindAddResultColumn(info, TransformEvaluator.NumberName(transform), number);
            for (var i = 0; i < transform.Reads.Count; i++)
            {
                using var type = transform.ReadTypes[i].CreateLogicalType();
                NativeMethods.TableFunction.DuckDBBindAddResultColumn(info, transform.Names[transform.Reads[i]], type);
            }
        }
        catch (Exception e)
        {
            NativeMethods.TableFunction.DuckDBBindSetError(info, e.Message);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static void Init(IntPtr info)
    {
        var feed = Of(NativeMethods.TableFunction.DuckDBInitGetExtraInfo(info));
        feed._next = feed._from;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    static void Fill(IntPtr info, IntPtr output)
    {
        try
        {
            using var chunk = new DuckDBDataChunk(output);
            Of(NativeMethods.TableFunction.DuckDBFunctionGetExtraInfo(info)).FillChunk(chunk);
        }
        catch (Exception e)
        {
            NativeMethods.TableFunction.DuckDBFunctionSetError(info, e.Message);
        }
    }

    static RowFeed Of(IntPtr handle) => (RowFeed)GCHandle.FromIntPtr(handle).Target!;

    void FillChunk(DuckDBDataChunk chunk)
    {
        var first = _next;
        var count = TakeRows();
        var numbers = (long*)NativeMethods.Vectors.DuckDBVectorGetData(NativeMethods.DataChunks.DuckDBDataChunkGetVector(chunk, 0));
        for (var i = 0; i < count; i++)
            numbers[i] = first + i;
        for (var column = 0; column < _rows.Columns; column++)
            FillColumn(NativeMethods.DataChunks.DuckDBDataChunkGetVector(chunk, column + 1), column, first, count);
        NativeMethods.DataChunks.DuckDBDataChunkSetSize(chunk, (ulong)count);
    }

    int TakeRows()
    {
        var first = _next;
        for (long bytes = 0; _next < _until && _next - first < ChunkRows && bytes < ChunkBytes; _next++)
        {
            foreach (ref readonly var cell in _rows[_next])
                bytes += cell.Length;
        }

        return _next - first;
    }

    void FillColumn(IntPtr vector, int column, int first, int count)
    {
        var type = _transform.ReadTypes[column];
        var data = (byte*)NativeMethods.Vectors.DuckDBVectorGetData(vector);
        ulong* validity = null;
        for (var i = 0; i < count; i++)
        {
            ref readonly var cell = ref _rows[first + i][column];
            if (cell.IsNull)
            {
                if (validity == null)
                {
                    NativeMethods.Vectors.DuckDBVectorEnsureValidityWritable(vector);
                    validity = NativeMethods.Vectors.DuckDBVectorGetValidity(vector);
                }

                NativeMethods.ValidityMask.DuckDBValiditySetRowValidity(validity, (ulong)i, false);
                continue;
            }

            try
            {
                ValueDecoder.Decode(type, cell.Kind, _rows.BytesOf(cell), vector, data, i);
            }
            catch (Exception e) when (e is UnreadableValueException or FormatException or OverflowException)
            {
                Failure = (first + i, $"column {_transform.Columns[_transform.Reads[column]].Name}: {e.Message}");
                throw;
            }
        }
    }
}
