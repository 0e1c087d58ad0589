/* Ends at once; statically linked, so that it runs wherever it lies. */
int main(void)
{
	return 0;
}
